"""Chunks, work and an engine that says what it is told: what the transcriber's tests are made of."""

import re
from types import SimpleNamespace
from typing import Any

from services.transcriber.settings import TranscriberSettings
from services.transcriber.speech import Language, Samples, Window
from shared.jobs.document import Facts
from shared.jobs.step import Step
from shared.mesh.work import Work
from shared.options import Options
from shared.topology import Stage
from shared.transcript import Chunk, ChunkText, Prepared, Segment, Span, Word
from tests.fakes.jobs import new_job

BASE = TranscriberSettings(transcriber_model="base", transcriber_models="tiny.en", transcriber_streams=1)
"""A model of many languages, and one of English alone beside it."""


def chunk(index: int, *windows: Span) -> Chunk:
    """Return a chunk from its first window's start to its last one's end."""
    return Chunk(index=index, start=windows[0].start, end=windows[-1].end, windows=windows)


def work(*chunks: Chunk, part: int = 0, facts: Facts | None = None, **options: Any) -> Work:
    """Return an attempt at one part of a job with these options and chunks."""
    job = new_job(**options).job.model_copy(update={"facts": facts or Facts()})
    prepared = Prepared(original="o", pcm="pcm", sha256="0" * 64, bytes=1, duration=30.0, chunks=chunks)
    return Work(job, Step(job.id, Stage.TRANSCRIBER, part), inputs={Stage.DOWNLOADER: (prepared,)})


def parrot(heard: list[Samples] | None = None, text: str = "hello", windows: list[Window] | None = None) -> Any:
    """Return an engine that keeps what it listens to and the windows it is given, and says the same in each."""

    async def listen(_model: str, speech: Samples) -> Language:
        if heard is not None:
            heard.append(speech)
        return Language("cy", 0.75)

    async def say(window: Window) -> tuple[Segment, ...]:
        if windows is not None:
            windows.append(window)
        return (Segment(start=0.0, end=window.seconds, text=text),)

    async def fit(_model: str, options: Options) -> tuple[Options, tuple[str, ...]]:
        return options, ()

    return SimpleNamespace(
        versions={"parrot": "1"},
        serving=lambda asked: asked or "parrot",
        fit_hints=fit,
        detect_language=listen,
        transcribe=say,
    )


def words_of(text: ChunkText) -> list[Word]:
    """Return all words of a chunk's text."""
    return [word for segment in text.segments for word in segment.words]


def plain(text: str) -> str:
    """Return the text in small letters without punctuation, as word error rates are counted."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))
