"""What the transcriber does: the speech of one chunk becomes segments of text."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import partial

from services.transcriber.audio import read
from services.transcriber.language import language_of
from services.transcriber.sentences import placed, sentences
from services.transcriber.speech import Engine, Language, Samples, Window
from shared.blobs import Blobs
from shared.mesh.work import Work
from shared.transcript import SAMPLE_RATE, Chunk, ChunkText, Cut, Redone, Segment, Span

LEAST_SECONDS = 0.1
"""A window below this is not heard: OpenAI's own service refuses so little. A window that was cut at 30 s may leave a
rest of a few samples; no word is in it, Whisper writes "Thank you." of it, and fails on less than its 0.02 s.
"""


async def transcribe(work: Work, engine: Engine, blobs: Blobs) -> ChunkText:
    """Return the text of the step's chunk, in recording seconds.

    Raises GiveUp if the prepared audio is gone, or the model is not served or does not know the language;
    Stopped, within one batch of windows, once `work.stop` is set.
    """
    cut = work.outputs(Cut)[0]
    chunk = cut.chunks[work.step.part]
    work.weigh(len(chunk.windows))
    model = engine.serving(work.job.options.model)
    language = await language_of(work, cut, engine, blobs)
    work.check()
    if not chunk.windows:
        return _text(chunk, language, model, engine)
    options, warnings = await engine.fit_hints(model, work.job.options)
    work.check()
    samples = await read(blobs, cut.pcm, chunk)
    window = partial(
        Window,
        language=language.code,
        model=model,
        options=options,
        lane=work.job.lane,
        job=work.job.id,
        chunk=chunk.index,
        stop=work.stop,
        longest=max(span.end - span.start for span in chunk.windows),
    )
    redone: list[Redone] = []
    windows = _asked(work, window, _cut(chunk, samples), redone)
    segments = [segment async for segment in _written(work, chunk, windows, engine)]
    return _text(chunk, language, model, engine, segments, warnings, redone)


def _asked(
    work: Work, window: "partial[Window]", pieces: Iterable[tuple[Span, Samples]], redone: list[Redone]
) -> list[tuple[Span, Window]]:
    """Return the pieces as windows; the step weighs as many of them as no model has begun on.

    Those that are decoded again are noted in `redone`.
    """
    waiting = set[int]()

    def begun(index: int) -> None:
        waiting.discard(index)
        work.weigh(len(waiting))

    def again(span: Span, reason: str) -> None:
        redone.append(Redone(start=round(span.start, 3), end=round(span.end, 3), reason=reason))

    asked = [
        (span, window(sound, begun=partial(begun, index), redone=partial(again, span)))
        for index, (span, sound) in enumerate(pieces)
    ]
    waiting.update(range(len(asked)))
    return asked


def _cut(chunk: Chunk, samples: Samples) -> Iterator[tuple[Span, Samples]]:
    """Yield the chunk's windows, in seconds of the recording and none beyond the last sample, with their sound.

    Those that are too short for a word are left out.
    """
    for window in chunk.windows:
        start, end = (max(round((at - chunk.start) * SAMPLE_RATE), 0) for at in (window.start, window.end))
        sound = samples[start:end]
        if len(sound) >= LEAST_SECONDS * SAMPLE_RATE:
            begin = chunk.start + start / SAMPLE_RATE
            yield Span(start=begin, end=min(begin + len(sound) / SAMPLE_RATE, chunk.end)), sound


async def _written(
    work: Work, chunk: Chunk, windows: Sequence[tuple[Span, Window]], engine: Engine
) -> AsyncIterator[Segment]:
    """Yield the sentences of all windows, which are asked for at once; whoever fails or stops forgets the others."""
    writing = [asyncio.create_task(engine.transcribe(window)) for _, window in windows]
    try:
        for (span, window), text in zip(windows, writing, strict=True):
            for sentence in _sentences(await text, span, with_words=window.options.word_timestamps):
                yield sentence
            work.progress(min((span.end - chunk.start) / (chunk.end - chunk.start), 1.0))
            work.check()
    finally:
        for text in writing:
            text.cancel()
        await asyncio.gather(*writing, return_exceptions=True)


def _sentences(text: tuple[Segment, ...], window: Span, *, with_words: bool) -> Iterator[Segment]:
    """Yield the window's sentences where they lie in the recording, each behind the one before."""
    room = window
    for segment in text:
        found = placed(segment, room, window.start)
        room = Span(start=found.end, end=window.end)
        for sentence in sentences(found):
            if sentence.text.strip():
                yield sentence if with_words else sentence.model_copy(update={"words": ()})


def _text(
    chunk: Chunk,
    language: Language,
    model: str,
    engine: Engine,
    segments: list[Segment] | None = None,
    warnings: tuple[str, ...] = (),
    redone: Iterable[Redone] = (),
) -> ChunkText:
    return ChunkText(
        warnings=warnings,
        index=chunk.index,
        language=language.code,
        language_probability=language.probability,
        segments=tuple(sorted(segments or (), key=lambda segment: (segment.start, segment.end))),
        model=model,
        versions=dict(engine.versions),
        redone=tuple(sorted(redone, key=lambda window: window.start)),
    )
