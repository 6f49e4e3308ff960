"""Which language a recording is in: one answer for all of its chunks, whichever worker asks."""

import asyncio

import numpy as np

from services.transcriber.audio import read
from services.transcriber.speech import Engine, Language
from shared.blobs import Blobs
from shared.mesh.work import Work
from shared.transcript import Cut, Span

LISTEN_SECONDS = 60.0
"""Two of Whisper's 30 s windows: enough to get past a greeting or a jingle in another language."""

UNDETERMINED = Language("und", 0.0)
"""A recording without speech has no language: ISO 639-2's own code for that."""


async def language_of(work: Work, cut: Cut, engine: Engine, blobs: Blobs) -> Language:
    """Return the language the job asks for, else the one it already has, else the one its first speech is in.

    The first speech is the recording's, not the chunk's, so chunks that are worked on at once agree, however much of
    the recording each of them can see.
    """
    options, facts = work.job.options, work.job.facts
    if options.language is not None:
        return Language(options.language, 1.0)
    if facts.language is not None:
        return Language(facts.language, facts.language_probability or 0.0)
    spans = opening(cut)
    if not spans:
        return UNDETERMINED
    speech = await asyncio.gather(*(read(blobs, cut.pcm, span) for span in spans))
    work.check()
    return await engine.detect_language(engine.serving(options.model), np.concatenate(speech))


def opening(cut: Cut) -> tuple[Span, ...]:
    """Return the windows of the recording's first chunk, LISTEN_SECONDS together at the most."""
    spans: list[Span] = []
    left = LISTEN_SECONDS
    for window in (window for chunk in cut.chunks[:1] for window in chunk.windows):
        if left <= 0:
            break
        spans.append(Span(start=window.start, end=min(window.end, window.start + left)))
        left -= window.end - window.start
    return tuple(spans)
