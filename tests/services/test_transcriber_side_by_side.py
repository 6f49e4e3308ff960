"""What a job does not wait for: another job's model, or a batch while its language is heard."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from services.transcriber.decoding import WhisperDecoder
from services.transcriber.engine import FRAME, REMEMBERED, WhisperEngine
from services.transcriber.speech import Samples, Window
from services.transcriber.stage import transcribe
from shared.blobs import ObjectStore
from shared.transcript import Span
from tests.fakes.transcriber import chunk, work
from tests.recordings import samples

SHORT = (Span(start=6.5, end=10.0),)

MOST_THREADS = 32
"""What asyncio's default executor has at the most."""


class HeldLoad:
    """Loads a model only when `arrived` is set; `loading` says that somebody waits for it."""

    def __init__(self, load: Callable[[str], object]) -> None:
        self._load = load
        self.loading, self.arrived = threading.Event(), threading.Event()

    def __call__(self, path: str) -> object:
        """Load the model, late."""
        self.loading.set()
        self.arrived.wait(200)
        return self._load(path)


@pytest.fixture(autouse=True)
def _unheard(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine remember no language that another test made it hear."""
    monkeypatch.setattr(engine, "_detected", OrderedDict())


@pytest.fixture
def held(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> HeldLoad:
    """Return what holds tiny.en, which has made room, when it is loaded again."""
    load = HeldLoad(engine._models._load)
    monkeypatch.setattr(engine._models, "_load", load)
    engine._models._loaded.pop("tiny.en", None)
    return load


async def test_windows_are_written_down_while_another_model_loads(engine: WhisperEngine, held: HeldLoad) -> None:
    """A window whose model made room waits for it; those of a model that is there do not wait with it."""
    sound = samples()[200_000:227_000].astype(np.float32) / np.float32(32768)
    options = work(chunk(0, *SHORT), temperature=0.0).job.options
    waits = asyncio.create_task(engine.transcribe(Window(sound, "en", "tiny.en", options)))
    try:
        await asyncio.to_thread(held.loading.wait, 60)
        assert await asyncio.wait_for(engine.transcribe(Window(sound, "en", "base", options)), 120)
        assert not waits.done()
    finally:
        held.arrived.set()
    assert await waits


async def test_jobs_that_wait_for_a_model_leave_the_threads_to_those_whose_model_is_there(
    engine: WhisperEngine, blobs: ObjectStore, held: HeldLoad
) -> None:
    """More jobs than there are threads wait for a model to be fetched, and another job is done the while."""
    plans = [work(chunk(0, *SHORT), model="tiny.en", language=language) for language in (None, "en") * MOST_THREADS]
    waiting = [asyncio.create_task(transcribe(plan, engine, blobs)) for plan in plans]
    try:
        await asyncio.to_thread(held.loading.wait, 60)
        assert (await asyncio.wait_for(transcribe(work(chunk(0, *SHORT)), engine, blobs), 120)).segments
        assert not any(step.done() for step in waiting)
    finally:
        for step in waiting:
            step.cancel()
        held.arrived.set()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_language_is_heard_while_every_stream_has_a_batch(
    engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for the batch that runs to end, let alone for the next, and knows its language as ever."""
    running, go = threading.Event(), threading.Event()

    def hold(_: WhisperDecoder, batch: Sequence[Any]) -> list[tuple[()]]:
        running.set()
        go.wait(200)
        return [()] * len(batch)

    monkeypatch.setattr(WhisperDecoder, "together", hold)
    speech = samples().astype(np.float32) / np.float32(32768)
    window = Window(speech[:16_000], "en", "base", work(chunk(0, *SHORT)).job.options)
    batch = asyncio.create_task(engine.transcribe(window))
    try:
        await asyncio.to_thread(running.wait, 60)
        assert (await asyncio.wait_for(engine.detect_language("base", speech), 120)).code == "en"
        assert not batch.done()
    finally:
        go.set()
    assert await batch == ()


async def test_both_pieces_of_a_minute_are_listened_to_at_once(
    engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither waits until the other is answered, and each counts by its length."""
    both = threading.Barrier(2, timeout=60)
    told = {FRAME: [("de", 0.6), ("en", 0.4)], FRAME // 2: [("de", 0.0), ("en", 1.0)]}

    def detect(piece: Samples) -> tuple[str, float, list[tuple[str, float]]]:
        both.wait()
        return "", 0.0, told[len(piece)]

    monkeypatch.setattr(engine._models.get("base"), "detect_language", detect)
    language = await engine.detect_language("base", np.zeros(FRAME * 3 // 2, np.float32))
    assert (language.code, round(language.probability, 6)) == ("en", 0.6)


async def test_what_was_heard_once_is_not_listened_to_again(
    engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second chunk of a recording gets the first one's answer; other speech is listened to, and the oldest goes."""
    detect = Mock(return_value=("", 0.0, [("he", 0.9)]))
    monkeypatch.setattr(engine._models.get("base"), "detect_language", detect)
    recordings = [np.full(1_600, level / 1_000, np.float32) for level in range(REMEMBERED + 1)]
    first = await engine.detect_language("base", recordings[0])
    assert await engine.detect_language("base", recordings[0].copy()) == first
    assert detect.call_count == 1
    for speech in recordings:
        await engine.detect_language("base", speech)
    assert detect.call_count == len(recordings)
    await engine.detect_language("base", recordings[0])
    assert detect.call_count == len(recordings) + 1
