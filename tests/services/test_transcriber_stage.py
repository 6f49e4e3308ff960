"""The transcriber's stage: languages, bytes, windows and refusals, with an engine that says what it is told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from services.transcriber.language import LISTEN_SECONDS, opening
from services.transcriber.speech import Samples, Window
from services.transcriber.stage import transcribe
from shared.blobs import ObjectStore
from shared.jobs.document import Facts
from shared.mesh.outcomes import GiveUp, Stopped
from shared.mesh.work import Work
from shared.options import Options
from shared.topology import Lane
from shared.transcript import Chunk, ChunkText, Prepared, Redone, Segment, Span, Word
from tests.fakes.transcriber import chunk, parrot, work

SHORT = (Span(start=6.5, end=10.0),)


async def test_every_chunk_of_a_job_gets_the_same_language(blobs: ObjectStore) -> None:
    """Whichever chunk asks first, and however much of the plan it sees, the engine listens to the first chunk's."""
    chunks = chunk(0, *SHORT), chunk(1, Span(start=12.5, end=14.2), Span(start=14.4, end=17.8))
    heard: list[Samples] = []
    seen = (chunks[:1], 0), (chunks, 1)
    texts = [await transcribe(work(*known, part=part), parrot(heard), blobs) for known, part in seen]
    assert {(text.language, text.language_probability) for text in texts} == {("cy", 0.75)}
    assert np.array_equal(heard[0], heard[1])
    assert len(heard[0]) == 3.5 * 16_000


def test_a_long_recording_is_listened_to_for_a_minute_at_the_most() -> None:
    """The first chunk's windows are taken until a minute is full, the last one cut."""
    windows = (Span(start=i * 40.0, end=i * 40.0 + 25.0) for i in range(4))
    spans = opening(work(chunk(0, *windows)).outputs(Prepared)[0])
    assert sum(span.end - span.start for span in spans) == LISTEN_SECONDS
    assert spans[-1] == Span(start=80.0, end=90.0)
    full = (Span(start=i * 30.0, end=i * 30.0 + 30.0) for i in range(3))
    assert len(opening(work(chunk(0, *full)).outputs(Prepared)[0])) == 2


async def test_a_language_asked_for_or_already_known_is_not_listened_for(blobs: ObjectStore) -> None:
    """The job's option comes first, then what an earlier chunk found out; neither needs the engine's ear."""
    heard: list[Samples] = []
    known = Facts(language="he", language_probability=0.8)
    asked = await transcribe(work(chunk(0, *SHORT), language="fr", facts=known), parrot(heard), blobs)
    kept = await transcribe(work(chunk(0, *SHORT), facts=known), parrot(heard), blobs)
    assert (asked.language, asked.language_probability) == ("fr", 1.0)
    assert (kept.language, kept.language_probability) == ("he", 0.8)
    unsure = await transcribe(work(chunk(0, *SHORT), facts=Facts(language="he")), parrot(heard), blobs)
    assert (unsure.language, unsure.language_probability) == ("he", 0.0)
    assert not heard


async def test_a_recording_without_speech_has_no_text_and_an_undetermined_language(blobs: ObjectStore) -> None:
    """No windows: nothing is decoded or listened to, and the language says that it is not known."""
    silent = Chunk(index=0, start=0.0, end=30.0, windows=())
    text = await transcribe(work(silent), parrot(), blobs)
    assert (text.segments, text.language, text.language_probability) == ((), "und", 0.0)


async def test_lost_audio_ends_the_step_for_good() -> None:
    """Nothing under the PCM key is a GiveUp that says what is missing and what to do."""
    with pytest.raises(GiveUp, match=r"nothing under 'pcm/00000.s16'.*submit the recording as a new job"):
        await transcribe(work(chunk(0, *SHORT), language="en"), parrot(), ObjectStore("memory://"))


async def test_only_the_bytes_of_the_chunk_are_read(blobs: ObjectStore) -> None:
    """The sound is read from the chunk's first sample to its last, and progress ends at one."""
    read = Mock(wraps=blobs.read)
    told: list[float] = []
    plan = work(chunk(0, *SHORT), language="en")
    listening = Work(plan.job, plan.step, inputs=plan.inputs, progress=told.append)
    await transcribe(listening, parrot(), SimpleNamespace(read=read))
    read.assert_called_once_with("pcm/00000.s16", 6.5 * 32_000, 10 * 32_000)
    assert told == [1.0]


async def test_windows_beyond_the_audio_are_cut_and_empty_text_is_dropped(blobs: ObjectStore) -> None:
    """A window that ends past the last sample is decoded up to it; a segment of spaces leaves no trace."""
    asked: list[Window] = []
    text = await transcribe(work(chunk(0, Span(start=29.0, end=30.5))), parrot(text=" ", windows=asked), blobs)
    assert [window.seconds for window in asked] == [1.0]
    assert text.segments == ()


async def test_the_segments_of_a_window_keep_their_order_and_do_not_overlap(blobs: ObjectStore) -> None:
    """faster-whisper may let a segment's last word end behind the next one's first, or behind all of it."""

    async def say(_window: Window) -> tuple[Segment, ...]:
        said = (" first", 0.0, 1.2), (" second", 1.0, 1.1), (" third", 0.9, 1.4)
        words = [Word(text=text, start=start, end=end, probability=1.0) for text, start, end in said]
        return tuple(Segment(start=word.start, end=word.end, text=word.text, words=(word,)) for word in words)

    engine = parrot()
    engine.transcribe = say
    text = await transcribe(work(chunk(0, *SHORT), language="en"), engine, blobs)
    told = [(each.text, each.start, each.end) for each in text.segments]
    assert told == [("first", 6.5, 7.7), ("second", 7.7, 7.7), ("third", 7.7, 7.9)]


async def test_a_window_too_short_for_a_word_is_not_heard(blobs: ObjectStore) -> None:
    """The rest of a stretch that was cut at 30 s may be a few samples: the model would invent words, or fail."""
    asked: list[Window] = []
    spans = Span(start=6.5, end=10.0), Span(start=12.5, end=12.515), Span(start=14.4, end=14.5)
    text = await transcribe(work(chunk(0, *spans), language="en"), parrot(windows=asked), blobs)
    assert [round(window.seconds, 3) for window in asked] == [3.5, 0.1]
    assert [segment.start for segment in text.segments] == [6.5, 14.4]


async def test_a_window_is_given_with_all_that_its_text_depends_on(blobs: ObjectStore) -> None:
    """Sound, language, model, options, lane, job, chunk and stop reach the engine, and the step says what it weighs."""
    asked, weights = list[Window](), list[int]()
    chunks = chunk(0, *SHORT), chunk(1, Span(start=12.5, end=14.2), Span(start=14.4, end=17.8))
    plan = work(*chunks, part=1, language="en")
    plan = replace(plan, job=plan.job.but(lane=Lane.URGENT))
    await transcribe(replace(plan, weigh=weights.append), parrot(windows=asked), blobs)
    assert [(round(window.seconds, 3), round(window.longest, 3)) for window in asked] == [(1.7, 3.4), (3.4, 3.4)]
    said = {(each.language, each.model, each.lane, each.job, each.chunk, each.stop) for each in asked}
    assert said == {("en", "parrot", plan.job.lane, plan.job.id, 1, plan.stop)}
    assert weights == [2]


async def test_a_step_weighs_as_many_windows_as_no_model_has_begun_on(blobs: ObjectStore) -> None:
    """The next step is taken when those are few; a window that is decoded again weighs nothing more."""
    weights, engine = list[int](), parrot()

    async def say(window: Window) -> tuple[Segment, ...]:
        for _ in range(2):
            window.begun()
        return ()

    engine.transcribe = say
    plan = work(chunk(0, Span(start=12.5, end=14.2), Span(start=14.4, end=17.8)), language="en")
    await transcribe(replace(plan, weigh=weights.append), engine, blobs)
    assert weights == [2, 1, 1, 0, 0]


async def test_progress_is_how_much_of_the_chunk_is_written(blobs: ObjectStore) -> None:
    """After each window it is the share of the chunk that lies before its end, wherever the chunk begins."""
    told = list[float]()
    plan = work(chunk(0, Span(start=12.0, end=14.0), Span(start=16.0, end=20.0)), language="en")
    await transcribe(replace(plan, progress=told.append), parrot(), blobs)
    assert told == [0.25, 1.0]


@pytest.mark.parametrize("where", ["read", "detect_language", "fit_hints", "transcribe"])
async def test_a_stopped_step_ends_behind_what_it_was_waiting_for(where: str, blobs: ObjectStore) -> None:
    """Whatever that is, nothing more is asked of the engine."""
    plan, asked, engine = work(chunk(0, *SHORT)), list[str](), parrot()
    store = SimpleNamespace(read=blobs.read)

    def stopping(name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def told(*given: Any) -> Any:
            asked.append(name)
            if name == where:
                plan.stop.set()
            return await call(*given)

        return told

    for name in ("detect_language", "fit_hints", "transcribe"):
        setattr(engine, name, stopping(name, getattr(engine, name)))
    store.read = stopping("read", blobs.read)
    with pytest.raises(Stopped):
        await transcribe(plan, engine, store)
    assert asked[-1] == where


@pytest.mark.parametrize("wanted", [True, False])
async def test_words_are_given_only_to_a_job_that_wants_them(wanted: bool, blobs: ObjectStore) -> None:
    """The sentences are cut by them all the same, and what was cut of the hints and what decoded is told."""
    said = Word(text=" One.", start=0.0, end=1.0, probability=1.0), Word(text=" Two", start=1.0, end=2.0, probability=1)

    async def say(_window: Window) -> tuple[Segment, ...]:
        return (Segment(start=0.0, end=2.0, text="One. Two", words=said),)

    async def fit(_model: str, options: Options) -> tuple[Options, tuple[str, ...]]:
        return options, ("'hotwords' was cut",)

    engine = parrot()
    engine.transcribe, engine.fit_hints = say, fit
    text = await transcribe(work(chunk(0, *SHORT), language="en", word_timestamps=wanted), engine, blobs)
    assert [(each.text, len(each.words)) for each in text.segments] == [("One.", int(wanted)), ("Two", int(wanted))]
    assert (text.warnings, text.versions) == (("'hotwords' was cut",), {"parrot": "1"})


async def test_windows_that_were_decoded_again_are_told_with_their_place_and_the_reason(blobs: ObjectStore) -> None:
    """Start and end are seconds of the recording, in order, whichever was in doubt first; the others leave no trace."""

    async def say(window: Window) -> tuple[Segment, ...]:
        if window.seconds < 3:
            await asyncio.sleep(0)
            window.redone("loop")
        if window.seconds > 3.45:
            window.redone("log-probability")
        return (Segment(start=0.0, end=window.seconds, text="hello"),)

    engine = parrot()
    engine.transcribe = say
    spans = Span(start=12.5, end=14.2), Span(start=14.4, end=17.8), Span(start=17.9, end=21.5)
    text = await transcribe(work(chunk(0, *SHORT), chunk(1, *spans), part=1, language="en"), engine, blobs)
    assert text.redone == (
        Redone(start=12.5, end=14.2, reason="loop"),
        Redone(start=17.9, end=21.5, reason="log-probability"),
    )
    assert ChunkText.model_validate_json(text.model_dump_json()) == text


async def test_a_chunk_of_which_nothing_was_decoded_again_is_written_as_ever(blobs: ObjectStore) -> None:
    """Its output is no larger than before, and one that was written before is read."""
    text = await transcribe(work(chunk(0, *SHORT), language="en"), parrot(), blobs)
    assert text.redone == ()
    assert "redone" not in text.model_dump(mode="json")
    assert ChunkText.model_validate(text.model_dump(mode="json")) == text


async def test_a_window_that_fails_fails_the_step_and_forgets_the_others(blobs: ObjectStore) -> None:
    """The first failure is the step's own, and whatever else was asked for is cancelled, not left to run on."""
    forgotten = asyncio.Event()

    async def fail(window: Window) -> tuple[Segment, ...]:
        if window.seconds < 3:
            raise GiveUp("never")
        try:
            await asyncio.Event().wait()
        finally:
            forgotten.set()
        return ()

    engine = parrot()
    engine.transcribe = fail
    with pytest.raises(GiveUp, match="never"):
        await transcribe(work(chunk(0, Span(start=12.5, end=14.2), Span(start=14.4, end=17.8))), engine, blobs)
    assert forgotten.is_set()
