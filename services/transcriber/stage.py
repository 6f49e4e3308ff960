"""What the transcriber does: the speech of one chunk becomes segments of text."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from services.transcriber.audio import read
from services.transcriber.language import spoken
from services.transcriber.sentences import placed, sentences
from services.transcriber.speech import Engine, Language, Samples
from shared.blobs import Blobs
from shared.mesh.work import Work
from shared.transcript import SAMPLE_RATE, Chunk, ChunkText, Prepared, Segment, Span


async def transcribe(work: Work, engine: Engine, blobs: Blobs) -> ChunkText:
    """Return the text of the step's chunk, in recording seconds.

    Raises GiveUp if the prepared audio is gone, or the model is not served or does not know the language;
    Stopped, within one batch of windows, once `work.stop` is set.
    """
    prepared = work.outputs(Prepared)[0]
    chunk = prepared.chunks[work.step.part]
    model = engine.serving(work.job.options.model)
    language = await spoken(work, prepared, engine, blobs)
    work.check()
    if not chunk.windows:
        return _text(chunk, language, model, engine)
    samples = await read(blobs, prepared.pcm, chunk)
    passage = _Passage(chunk, samples, language.code, model)
    return await asyncio.to_thread(_write_down, work, passage, engine, language)


@dataclass(frozen=True)
class _Passage:
    """A chunk's sound, its language and the model that is to hear it."""

    chunk: Chunk
    samples: Samples
    language: str
    model: str

    def windows(self) -> list[Span]:
        """Return the windows in seconds from the first sample, none beyond the last."""
        origin, length = self.chunk.start, len(self.samples) / SAMPLE_RATE
        spans = (Span(start=max(w.start - origin, 0.0), end=min(w.end - origin, length)) for w in self.chunk.windows)
        return [span for span in spans if span.end > span.start]


def _write_down(work: Work, passage: _Passage, engine: Engine, language: Language) -> ChunkText:
    """Decode window after window; blocks."""
    options, warnings = engine.fit(passage.model, work.job.options)
    work.check()
    windows = passage.windows()
    heard = engine.decode(passage.model, passage.samples, windows, passage.language, options)
    segments: list[Segment] = []
    for window, found in zip(windows, heard, strict=True):
        segments += _segments(found, window, passage.chunk, with_words=options.word_timestamps)
        work.progress(min(window.end / (passage.chunk.end - passage.chunk.start), 1.0))
        work.check()  # before the next window is asked for
    return _text(passage.chunk, language, passage.model, engine, segments, warnings)


def _segments(found: tuple[Segment, ...], window: Span, chunk: Chunk, *, with_words: bool) -> Iterator[Segment]:
    """Yield the window's sentences where they lie in the recording."""
    origin = chunk.start
    here = Span(start=origin + window.start, end=min(origin + window.end, chunk.end))
    for segment in found:
        for sentence in sentences(placed(segment, here, origin)):
            if sentence.text.strip():
                yield sentence if with_words else sentence.model_copy(update={"words": ()})


def _text(
    chunk: Chunk,
    language: Language,
    model: str,
    engine: Engine,
    segments: list[Segment] | None = None,
    warnings: tuple[str, ...] = (),
) -> ChunkText:
    return ChunkText(
        warnings=warnings,
        index=chunk.index,
        language=language.code,
        language_probability=language.probability,
        segments=tuple(sorted(segments or (), key=lambda segment: (segment.start, segment.end))),
        model=model,
        versions=dict(engine.versions),
    )
