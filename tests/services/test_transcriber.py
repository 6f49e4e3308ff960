"""The transcriber: one chunk of speech becomes segments of text, with real weights on real speech where it matters."""

import asyncio
import threading
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from meeteval.io.stm import STM
from meeteval.wer import siso_word_error_rate
from prometheus_client import REGISTRY

from services.transcriber import doubt
from services.transcriber.engine import WhisperEngine
from services.transcriber.speech import Window
from services.transcriber.stage import transcribe
from shared.blobs import ObjectStore
from shared.mesh.outcomes import GiveUp, Stopped
from shared.mesh.work import Work
from shared.models import ModelStore
from shared.transcript import Segment, Span
from tests.fakes.transcriber import BASE, chunk, plain, words_of, work
from tests.recordings import SAMPLE, samples

SHORT = (Span(start=6.5, end=10.0),)


@pytest.fixture
def generate(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Return what overhears each call of CTranslate2's own `generate`, the very last thing before the weights."""
    whisper = engine._models.get("base")
    listening = Mock(wraps=whisper.model)
    monkeypatch.setattr(whisper, "model", listening)
    overheard: Mock = listening.generate
    return overheard


async def test_a_whole_recording_is_written_down_with_times_and_probabilities_for_every_word(
    engine: WhisperEngine, blobs: ObjectStore
) -> None:
    """Real speech gives its text within 25 % word errors, words in order, sentences as segments, and provenance."""
    text = await transcribe(work(chunk(0, Span(start=0.0, end=30.0))), engine, blobs)
    reference = " ".join(line.transcript for line in STM.load(SAMPLE.with_suffix(".stm")).lines)
    assert siso_word_error_rate(plain(reference), plain(" ".join(s.text for s in text.segments))).error_rate < 0.25
    times = [at for word in words_of(text) for at in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 < word.probability <= 1 for word in words_of(text))
    assert len(text.segments) > 8
    assert (text.index, text.language, text.model) == (0, "en", "base")
    assert text.language_probability > 0.9
    assert set(text.versions) == {"faster-whisper", "ctranslate2"}


async def test_a_chunk_from_the_middle_has_times_of_the_recording(engine: WhisperEngine, blobs: ObjectStore) -> None:
    """Words of a chunk that starts at 17.9 s lie where they are in the recording, and none outside the chunk."""
    chunks = chunk(0, *SHORT), chunk(1, Span(start=17.9, end=24.0))
    text = await transcribe(work(*chunks, part=1, language="en"), engine, blobs)
    said = next(word for word in words_of(text) if "originally" in word.text)
    assert 18.0 < said.start < 19.5
    assert all(17.9 <= segment.start <= segment.end <= 24.0 for segment in text.segments)
    assert text.language_probability == 1.0


async def test_a_job_that_wants_no_words_still_gets_sentences_with_times(
    engine: WhisperEngine, blobs: ObjectStore
) -> None:
    """Without word timestamps no segment has words, yet each has its own times."""
    text = await transcribe(work(chunk(0, *SHORT), language="en", word_timestamps=False), engine, blobs)
    assert not words_of(text)
    assert len({(segment.start, segment.end) for segment in text.segments}) == len(text.segments) > 1


async def test_hints_task_language_and_beam_reach_the_decoder(
    engine: WhisperEngine, blobs: ObjectStore, generate: Mock
) -> None:
    """What the weights are asked names the hotwords, the prompt, the task and the language, at the beam asked for."""
    asked: dict[str, Any] = {"language": "de", "task": "translate", "beam_size": 3, "temperature": 0.0}
    said: dict[str, Any] = {"hotwords": "Sheila, Diane", "initial_prompt": "A call to Texas."}
    await transcribe(work(chunk(0, *SHORT), **asked, **said), engine, blobs)
    tokenizer = engine._models.get("base").hf_tokenizer
    (prompt,) = generate.call_args.args[1]
    text = tokenizer.decode(prompt, skip_special_tokens=False)
    assert text.startswith("<|startofprev|> Sheila, Diane A call to Texas.<|startoftranscript|><|de|><|translate|>")
    assert generate.call_args.kwargs["beam_size"] == 3


async def test_a_first_temperature_above_zero_is_sampled_at(
    engine: WhisperEngine, blobs: ObjectStore, generate: Mock
) -> None:
    """A job that asks for one temperature is sampled at it, from all tokens, and is not tried again."""
    await transcribe(work(chunk(0, Span(start=6.5, end=9.0)), language="en", temperature=0.3), engine, blobs)
    sampled = {(call.kwargs["sampling_temperature"], call.kwargs["sampling_topk"]) for call in generate.call_args_list}
    assert sampled == {(0.3, 0)}


async def test_a_doubtful_window_is_decoded_again_at_rising_temperatures(
    engine: WhisperEngine, blobs: ObjectStore, generate: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window the model is unsure of is seen whole, then tried at each temperature of the job.

    A job with only one keeps the text of the whole window.
    """
    monkeypatch.setattr(doubt, "LOG_PROBABILITY", 0.0)
    monkeypatch.setattr(doubt, "TRIMMED_LOG_PROBABILITY", 0.0)
    window = Span(start=12.5, end=14.2)
    once = await transcribe(work(chunk(0, window), language="en", temperature=0.0), engine, blobs)
    assert once.segments
    assert generate.call_count == 2
    await transcribe(work(chunk(0, window), language="en", temperature=[0.0, 0.4]), engine, blobs)
    tried = [call.kwargs.get("sampling_temperature", 0.0) for call in generate.call_args_list]
    assert tried[2:6] == [0.0, 0.0, 0.0, 0.4]


async def test_hints_do_not_take_the_place_of_what_is_said(engine: WhisperEngine) -> None:
    """With these hotwords base writes nothing but one of them over four seconds of clear speech, and over noise."""
    noise = np.random.default_rng(0).normal(0, 0.05, 80_000).astype(np.float32)
    speech = samples()[10 * 16_000 : 14 * 16_000].astype(np.float32) / np.float32(32768)
    options = work(chunk(0, *SHORT), language="en", hotwords="Scribe, RabbitMQ, Kibbutz").job.options
    doubts: list[str] = []
    said = await engine.transcribe(Window(speech, "en", "base", options, redone=doubts.append))
    assert "Diane in New Jersey" in " ".join(segment.text for segment in said)
    assert "hints" in doubts
    assert await engine.transcribe(Window(noise, "en", "base", options)) == ()


async def test_noise_gives_no_text(engine: WhisperEngine) -> None:
    """A window that holds no speech after all gives no segment."""
    noise = np.random.default_rng(0).normal(0, 0.05, 160_000).astype(np.float32)
    options = work(chunk(0, *SHORT)).job.options
    assert await engine.transcribe(Window(noise, "en", "base", options)) == ()


async def test_a_set_stop_ends_the_decoding_before_the_next_batch(
    model_store: ModelStore, engine: WhisperEngine, blobs: ObjectStore, generate: Mock
) -> None:
    """Once stop is set no further batch reaches the weights."""
    single = WhisperEngine(BASE.model_copy(update={"transcriber_batch": 1}), model_store)
    await single.open()
    single._models = engine._models
    stop = threading.Event()
    windows = [Span(start=at, end=at + 2) for at in (8.0, 10.0, 12.0, 14.0)]
    plan = work(chunk(0, *windows), language="en", temperature=0.0)
    stopping = Work(plan.job, plan.step, inputs=plan.inputs, stop=stop, progress=lambda _: stop.set())
    with pytest.raises(Stopped):
        await transcribe(stopping, single, blobs)
    assert generate.call_count == 1


async def test_an_english_only_model_hears_english_and_refuses_other_languages(
    engine: WhisperEngine, blobs: ObjectStore
) -> None:
    """tiny.en, named by the job, writes English; asked for Hebrew it says that it cannot, as base does of Cantonese."""
    text = await transcribe(work(chunk(0, Span(start=12.5, end=14.2)), model="tiny.en"), engine, blobs)
    assert (text.language, text.language_probability, text.model) == ("en", 1.0, "tiny.en")
    assert "New Jersey" in text.segments[0].text
    for model, language in (("tiny.en", "he"), ("base", "yue")):
        with pytest.raises(GiveUp, match=f"model '{model}' does not know the language '{language}'"):
            await transcribe(work(chunk(0, *SHORT), model=model, language=language), engine, blobs)


async def test_a_model_that_is_not_served_is_refused_with_the_list_of_those_that_are(
    engine: WhisperEngine, blobs: ObjectStore
) -> None:
    """A job cannot make a worker fetch whatever it likes."""
    with pytest.raises(GiveUp, match=r"model 'someone/huge' is not served here; served: base, tiny\.en"):
        await transcribe(work(chunk(0, *SHORT), model="someone/huge"), engine, blobs)


async def test_two_streams_at_once_transcribe_what_one_call_each_would(model_store: ModelStore) -> None:
    """Windows of four jobs on two streams give the words of each alone, and the model's seconds are counted.

    Not their probabilities to the last digit: sums over a batch are made in another order.
    """
    settings = BASE.model_copy(update={"transcriber_model": "tiny.en", "transcriber_streams": 2})
    both = WhisperEngine(settings, model_store)
    await both.open()
    assert both.free == 4
    options = work(chunk(0, *SHORT), temperature=0.0).job.options
    sound = samples().astype(np.float32) / np.float32(32768)
    pieces = [sound[int(at * 16_000) : int((at + 4) * 16_000)] for at in (6.5, 10.7, 14.4, 17.8)]
    windows = [Window(piece, "en", "tiny.en", options, job=str(job)) for job, piece in enumerate(pieces)]
    before = REGISTRY.get_sample_value("scribe_engine_seconds_total") or 0
    together = await asyncio.gather(*map(both.transcribe, windows))
    alone = [await both.transcribe(window) for window in windows]
    assert [_words(text) for text in together] == [_words(text) for text in alone]
    assert (REGISTRY.get_sample_value("scribe_engine_seconds_total") or 0) > before


def _words(text: tuple[Segment, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, word.start, word.end) for segment in text for word in segment.words]
