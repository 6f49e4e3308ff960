"""The transcriber: one chunk of speech becomes segments of text, with real weights on real speech where it matters."""

import importlib.util
import re
import threading
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import ctranslate2
import ivrit
import numpy as np
import pytest
from meeteval.io.stm import STM
from meeteval.wer import siso_word_error_rate

from services.transcriber import decoding, hints
from services.transcriber.engine import WhisperEngine
from services.transcriber.language import LISTEN_SECONDS, opening
from services.transcriber.loading import KEPT, LoadedModels, Placement
from services.transcriber.sentences import placed, sentences
from services.transcriber.settings import TranscriberSettings
from services.transcriber.speech import Language, Samples
from services.transcriber.stage import transcribe
from shared.blobs import ObjectStore
from shared.jobs.document import Facts
from shared.jobs.step import Step
from shared.mesh.outcomes import GiveUp, Stopped, TryLater
from shared.mesh.work import Work
from shared.models import ModelStore, ModelUnavailable
from shared.options import Options
from shared.settings import WrongSettings
from shared.topology import Stage
from shared.transcript import Chunk, ChunkText, Prepared, Segment, Span, Word
from tests.fakes.jobs import new_job

SAMPLE = Path(importlib.util.find_spec("pyannote.audio").origin).parent / "sample"
BASE = TranscriberSettings(transcriber_model="base", transcriber_models="tiny.en")
SHORT = (Span(start=6.5, end=10.0),)


@pytest.fixture(scope="module")
def engine(model_store: ModelStore) -> WhisperEngine:
    """Return an engine that serves base, multilingual, and tiny.en."""
    return WhisperEngine(BASE, model_store)


@pytest.fixture(scope="module")
def pcm() -> bytes:
    """Return the sample's 30 s of two people on the telephone, as the downloader would store them."""
    with wave.open(str(SAMPLE / "sample.wav")) as sound:
        return sound.readframes(sound.getnframes())


@pytest.fixture
async def blobs(pcm: bytes) -> ObjectStore:
    """Return an object store with the sample's PCM object in it."""
    store = ObjectStore("memory://")
    await store.put("pcm", pcm)
    return store


@pytest.fixture
def generate(engine: WhisperEngine, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Return what overhears each call of CTranslate2's own `generate`, the very last thing before the weights."""
    whisper = engine._models.get("base")
    listening = Mock(wraps=whisper.model)
    monkeypatch.setattr(whisper, "model", listening)
    return listening.generate


def chunk(index: int, *windows: Span) -> Chunk:
    """Return a chunk from its first window's start to its last one's end."""
    return Chunk(index=index, start=windows[0].start, end=windows[-1].end, windows=windows)


def work(*chunks: Chunk, part: int = 0, facts: Facts | None = None, **options: Any) -> Work:
    """Return an attempt at one part of a job with these options and chunks."""
    job = new_job(**options).job.model_copy(update={"facts": facts or Facts()})
    prepared = Prepared(original="o", pcm="pcm", sha256="0" * 64, bytes=1, duration=30.0, chunks=chunks)
    return Work(job, Step(job.id, Stage.TRANSCRIBER, part), inputs={Stage.DOWNLOADER: (prepared,)})


def parrot(heard: list[Samples] | None = None, decode: Callable[..., Any] | None = None) -> Any:
    """Return an engine that keeps what it listens to and says 'hello' in each window."""

    def listen(_model: str, speech: Samples) -> Language:
        if heard is not None:
            heard.append(speech)
        return Language("cy", 0.75)

    def hello(_model: str, _samples: Samples, windows: list[Span], *_: Any) -> Iterator[tuple[Segment, ...]]:
        return iter([(Segment(start=window.start, end=window.end, text="hello"),) for window in windows])

    return SimpleNamespace(
        versions={"parrot": "1"},
        serving=lambda asked: asked or "parrot",
        fit=lambda _model, options: (options, ()),
        hear=listen,
        decode=decode or hello,
    )


def words_of(text: ChunkText) -> list[Word]:
    """Return all words of a chunk's text."""
    return [word for segment in text.segments for word in segment.words]


def plain(text: str) -> str:
    """Return the text in small letters without punctuation, as word error rates are counted."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))


async def test_a_whole_recording_is_written_down_with_times_and_probabilities_for_every_word(
    engine: WhisperEngine, blobs: ObjectStore
) -> None:
    """Real speech gives its text within 25 % word errors, words in order, sentences as segments, and provenance."""
    text = await transcribe(work(chunk(0, Span(start=0.0, end=30.0))), engine, blobs)
    reference = " ".join(line.transcript for line in STM.load(SAMPLE / "sample.stm").lines)
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
    asked = {"language": "de", "task": "translate", "beam_size": 3, "temperature": 0.0}
    said = {"hotwords": "Sheila, Diane", "initial_prompt": "A call to Texas."}
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
    """A window the model is unsure of is tried at each temperature of the job; a job with only one keeps the text."""
    monkeypatch.setattr(decoding, "LOG_PROBABILITY", 0.0)
    window = Span(start=12.5, end=14.2)
    once = await transcribe(work(chunk(0, window), language="en", temperature=0.0), engine, blobs)
    assert once.segments
    assert generate.call_count == 1
    await transcribe(work(chunk(0, window), language="en", temperature=[0.0, 0.4]), engine, blobs)
    tried = [call.kwargs.get("sampling_temperature", 0.0) for call in generate.call_args_list]
    assert tried[1:4] == [0.0, 0.0, 0.4]


async def test_noise_gives_no_text(engine: WhisperEngine) -> None:
    """A window that holds no speech after all gives no segment."""
    noise = np.random.default_rng(0).normal(0, 0.05, 160_000).astype(np.float32)
    options = work(chunk(0, *SHORT)).job.options
    assert list(engine.decode("base", noise, [Span(start=0, end=10)], "en", options)) == [()]


async def test_a_set_stop_ends_the_decoding_before_the_next_batch(
    model_store: ModelStore, engine: WhisperEngine, blobs: ObjectStore, generate: Mock
) -> None:
    """Once stop is set no further batch reaches the weights."""
    single = WhisperEngine(BASE.model_copy(update={"transcriber_batch": 1}), model_store)
    single._models = engine._models
    stop = threading.Event()
    windows = [Span(start=at, end=at + 2) for at in (8.0, 10.0, 12.0, 14.0)]
    plan = work(chunk(0, *windows), language="en", temperature=0.0)
    stopping = Work(plan.job, plan.step, inputs=plan.inputs, stop=stop, progress=lambda _: stop.set())
    with pytest.raises(Stopped):
        await transcribe(stopping, single, blobs)
    assert generate.call_count == 1


async def test_every_chunk_of_a_job_gets_the_same_language(blobs: ObjectStore) -> None:
    """Whichever chunk asks first, the engine listens to the same first speech of the recording."""
    chunks = chunk(0, *SHORT), chunk(1, Span(start=12.5, end=14.2), Span(start=14.4, end=17.8))
    heard: list[Samples] = []
    texts = [await transcribe(work(*chunks, part=part), parrot(heard), blobs) for part in (0, 1)]
    assert {(text.language, text.language_probability) for text in texts} == {("cy", 0.75)}
    assert np.array_equal(heard[0], heard[1])
    assert len(heard[0]) == pytest.approx((3.5 + 1.7 + 3.4) * 16_000, abs=3)


def test_a_long_recording_is_listened_to_for_a_minute_at_the_most() -> None:
    """The first windows across chunks are taken until a minute is full, the last one cut."""
    chunks = tuple(chunk(i, Span(start=i * 40.0, end=i * 40.0 + 25.0)) for i in range(4))
    spans = opening(work(*chunks).outputs(Prepared)[0])
    assert sum(span.end - span.start for span in spans) == LISTEN_SECONDS
    assert spans[-1] == Span(start=80.0, end=90.0)


async def test_a_language_asked_for_or_already_known_is_not_listened_for(blobs: ObjectStore) -> None:
    """The job's option comes first, then what an earlier chunk found out; neither needs the engine's ear."""
    heard: list[Samples] = []
    known = Facts(language="he", language_probability=0.8)
    asked = await transcribe(work(chunk(0, *SHORT), language="fr", facts=known), parrot(heard), blobs)
    kept = await transcribe(work(chunk(0, *SHORT), facts=known), parrot(heard), blobs)
    assert (asked.language, asked.language_probability) == ("fr", 1.0)
    assert (kept.language, kept.language_probability) == ("he", 0.8)
    assert not heard


async def test_a_recording_without_speech_has_no_text_and_an_undetermined_language(blobs: ObjectStore) -> None:
    """No windows: nothing is decoded or listened to, and the language says that it is not known."""
    silent = Chunk(index=0, start=0.0, end=30.0, windows=())
    text = await transcribe(work(silent), parrot(), blobs)
    assert (text.segments, text.language, text.language_probability) == ((), "und", 0.0)


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


async def test_lost_audio_ends_the_step_for_good() -> None:
    """Nothing under the PCM key is a GiveUp that says what is missing and what to do."""
    with pytest.raises(GiveUp, match=r"nothing under 'pcm'.*submit the recording as a new job"):
        await transcribe(work(chunk(0, *SHORT), language="en"), parrot(), ObjectStore("memory://"))


async def test_only_the_bytes_of_the_chunk_are_read(blobs: ObjectStore) -> None:
    """The object is read from the chunk's first sample to its last, and progress ends at one."""
    read = Mock(wraps=blobs.read)
    told: list[float] = []
    plan = work(chunk(0, *SHORT), language="en")
    listening = Work(plan.job, plan.step, inputs=plan.inputs, progress=told.append)
    await transcribe(listening, parrot(), SimpleNamespace(read=read))
    read.assert_called_once_with("pcm", 6.5 * 32_000, 10 * 32_000)
    assert told == [1.0]


async def test_windows_beyond_the_audio_are_cut_and_empty_text_is_dropped(blobs: ObjectStore) -> None:
    """A window that ends past the last sample is decoded up to it; a segment of spaces leaves no trace."""
    asked: list[Span] = []

    def decode(_model: str, _samples: Samples, windows: list[Span], *_: Any) -> Iterator[tuple[Segment, ...]]:
        asked.extend(windows)
        return iter([(Segment(start=0, end=1, text=" "),)])

    text = await transcribe(work(chunk(0, Span(start=29.0, end=30.5))), parrot(decode=decode), blobs)
    assert asked == [Span(start=0.0, end=1.0)]
    assert text.segments == ()


def test_words_outside_their_window_are_pulled_in_and_put_in_order() -> None:
    """An aligner's slips never leave the window and never overlap, seconds being those of the recording."""
    times = [(-0.4, 0.5), (0.3, 1.0), (1.9, 2.6)]
    words = tuple(Word(start=start, end=end, text=" so", probability=0.5) for start, end in times)
    found = placed(Segment(start=-0.4, end=2.6, text="so so so", words=words), Span(start=100.0, end=102.0), 100.0)
    assert [(word.start, word.end) for word in found.words] == [(100.0, 100.5), (100.5, 101.0), (101.9, 102.0)]
    assert (found.start, found.end) == (100.0, 102.0)


def test_sentences_end_at_full_stops_of_any_script_and_at_pauses() -> None:
    """A window's words are cut behind a full stop, closing quotes included, and where the voice rests."""
    said = [(" Yes.»", 0.0), (" Hello", 0.5), (" there", 3.0), ("です。", 3.5), (" ok", 4.0)]
    words = tuple(Word(start=at, end=at + 0.4, text=text, probability=0.9) for text, at in said)
    cut = list(sentences(Segment(start=0, end=5, text="...", words=words, no_speech_probability=0.1)))
    assert [segment.text for segment in cut] == ["Yes.»", "Hello", "thereです。", "ok"]
    assert [(segment.start, segment.end) for segment in cut][2] == (3.0, 3.9)
    assert {segment.no_speech_probability for segment in cut} == {0.1}


def test_hints_too_long_for_the_model_are_cut_with_a_warning() -> None:
    """Hotwords keep their beginning and the prompt its end, half of the context stays free, and the job is told."""
    options: Options = new_job(hotwords="ab " * 100 + "ab", initial_prompt="cd " * 200 + "end").job.options
    fitted, warnings = hints.fit(options, 448, len)
    assert len(f"{fitted.hotwords}{fitted.initial_prompt}") <= 448 // 2 - hints.START_TOKENS
    assert fitted.hotwords.startswith("ab ab")
    assert fitted.initial_prompt.endswith("cd end")
    assert [warning.split(" ")[0] for warning in warnings] == ["'hotwords'", "'initial_prompt'"]
    unspaced, _ = hints.fit(new_job(initial_prompt="語" * 400).job.options, 448, len)
    assert len(unspaced.initial_prompt) == 448 // 2 - hints.START_TOKENS


def test_hints_that_fit_are_left_alone() -> None:
    """Short hints, or none, come back as they were and without a warning."""
    options = new_job(hotwords="Sheila").job.options
    assert hints.fit(options, 448, len) == (options, ())


def test_no_more_than_a_few_models_are_held_and_each_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model used longest ago makes room; one that is held is not loaded again."""
    load = Mock(side_effect=lambda **asked: SimpleNamespace(model_object=asked["model"]))
    monkeypatch.setattr(ivrit, "load_model", load)
    models = LoadedModels(SimpleNamespace(fetch=Path), Placement("cpu", "int8", 1, 1))
    assert [models.get(name) for name in ("a", "b", "a", "c", "a", "b")] == ["a", "b", "a", "c", "a", "b"]
    assert [call.kwargs["model"] for call in load.call_args_list] == ["a", "b", "c", "b"]
    assert len(models._loaded) == KEPT


def test_two_steps_that_need_a_model_at_once_load_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes while a model is being loaded waits for it and gets the same one."""
    together = threading.Barrier(4)

    def load(**_: Any) -> SimpleNamespace:
        threading.Event().wait(0.05)  # long enough for the others to arrive
        return SimpleNamespace(model_object=object())

    def ask(models: LoadedModels) -> Any:
        together.wait()
        return models.get("a")

    monkeypatch.setattr(ivrit, "load_model", load)
    models = LoadedModels(SimpleNamespace(fetch=Path), Placement("cpu", "int8", 1, 1))
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, [models] * 4))) == 1


def test_a_model_that_cannot_be_fetched_now_is_tried_later() -> None:
    """A hub that is out of reach is no reason to give a job up."""
    store = SimpleNamespace(fetch=Mock(side_effect=ModelUnavailable("big", ["hub: not reachable"])))
    with pytest.raises(TryLater, match="hub: not reachable"):
        LoadedModels(store, Placement("cpu", "int8", 1, 1)).get("big")


@pytest.mark.parametrize(
    ("supported", "chosen"), [({"float16", "float32"}, "float16"), ({"int8_float32", "float32"}, "int8_float32")]
)
def test_a_gpu_is_used_when_there_is_one_in_the_best_type_it_supports(
    supported: set[str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'auto' takes CUDA where CTranslate2 finds it, 'cpu' does not; half precision only where it is supported."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(ctranslate2, "get_supported_compute_types", lambda device: supported | {device})
    assert (Placement.of(BASE).device, Placement.of(BASE).compute_type) == ("cuda", chosen)
    assert Placement.of(BASE.model_copy(update={"transcriber_device": "cpu"})).compute_type == "float32"


def test_a_gpu_that_is_asked_for_but_missing_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable; nothing falls back to a CPU in silence."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    with pytest.raises(WrongSettings, match="SCRIBE_TRANSCRIBER_DEVICE"):
        Placement.of(BASE.model_copy(update={"transcriber_device": "cuda"}))


def test_models_served_besides_are_named_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """One variable lists several names."""
    monkeypatch.setenv("SCRIBE_TRANSCRIBER_MODELS", "base, tiny.en")
    assert TranscriberSettings().transcriber_models == ("base", "tiny.en")
