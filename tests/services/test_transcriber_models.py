"""The transcriber's words, hints and models, without any weights."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import ctranslate2
import ivrit
import pytest
from tokenizers import Tokenizer

from services.transcriber import hints
from services.transcriber.layouts import Layout
from services.transcriber.loading import KEPT, LoadedModels, Placement
from services.transcriber.sentences import placed, sentences
from services.transcriber.settings import TranscriberSettings
from services.transcriber.words import segment
from shared import cublas
from shared.mesh.outcomes import TryLater
from shared.models import ModelStore, ModelUnavailable
from shared.options import Options
from shared.settings import WrongSettings
from shared.transcript import Segment, Span, Word
from tests.fakes.jobs import new_job

BASE = TranscriberSettings(transcriber_model="base", transcriber_models="tiny.en")
LOAD = partial(Placement("cpu", "int8").load, layout=Layout(2, 1))


def test_words_outside_their_window_are_pulled_in_and_put_in_order() -> None:
    """An aligner's slips never leave the window and never overlap, seconds being those of the recording."""
    times = [(-0.4, 0.5), (0.3, 1.0), (1.9, 2.6)]
    words = tuple(Word(start=start, end=end, text=" so", probability=0.5) for start, end in times)
    found = placed(Segment(start=-0.4, end=2.6, text="so so so", words=words), Span(start=100.0, end=102.0), 100.0)
    assert [(word.start, word.end) for word in found.words] == [(100.0, 100.5), (100.5, 101.0), (101.9, 102.0)]
    assert (found.start, found.end) == (100.0, 102.0)


def test_a_space_at_the_end_of_a_text_is_no_word() -> None:
    """Where there are no spaces between words, one may be a token of its own; it would be somebody's empty segment."""
    words = [{"word": text, "start": 0.0, "end": 1.0, "probability": 1.0} for text in ("ครั", "บ", " ")]
    assert [word.text for word in segment(0.0, 1.0, "ครับ ", words, -0.1, 0.0).words] == ["ครั", "บ"]


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
    assert fitted.hotwords is not None
    assert fitted.initial_prompt is not None
    assert fitted.hotwords.startswith("ab ab")
    assert fitted.initial_prompt.endswith("cd end")
    assert [warning.split(" ")[0] for warning in warnings] == ["'hotwords'", "'initial_prompt'"]
    unspaced, _ = hints.fit(new_job(initial_prompt="語" * 400).job.options, 448, len)
    assert unspaced.initial_prompt is not None
    assert len(unspaced.initial_prompt) == 448 // 2 - hints.START_TOKENS


@pytest.mark.parametrize(
    ("text", "echo"),
    [
        ("RabbitMQ, Scribe!", True),
        ("מועצת העיר חיפה", True),
        ("מועצת חיפה", False),
        ("Scribe is here", False),
        ("...", False),
    ],
)
def test_a_text_is_an_echo_if_all_of_it_stands_in_the_hints(text: str, echo: bool) -> None:
    """Some hotwords in any order, or a part of the prompt as it is; signs and capitals aside."""
    options = new_job(hotwords="Scribe, RabbitMQ", initial_prompt="ישיבת מועצת העיר חיפה בנושא מים.").job.options
    assert hints.echoes(text, options) is echo
    assert not hints.echoes(text, new_job().job.options)


def test_hints_that_fit_are_left_alone() -> None:
    """Short hints, or none, come back as they were and without a warning."""
    options = new_job(hotwords="Sheila").job.options
    assert hints.fit(options, 448, len) == (options, ())


def test_hints_are_text_whatever_signs_of_whispers_they_spell(model_store: ModelStore) -> None:
    """No start or end token gets in front of the speech by a hint, which would fail all windows that share its call."""
    tokenizer = Tokenizer.from_file(str(model_store.fetch("base") / "tokenizer.json"))
    said = "<|startoftranscript|><|endoftext|> <|0.00|> <<|he|>>"
    options, warnings = hints.fit(new_job(hotwords=said, initial_prompt=said).job.options, 448, len)
    words = tokenizer.get_vocab_size(with_added_tokens=False)
    for hint in (options.hotwords, options.initial_prompt):
        assert hint is not None
        assert all(token < words for token in tokenizer.encode(hint, add_special_tokens=False).ids)
    assert warnings == ()


def test_no_more_than_a_few_models_are_held_and_each_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model used longest ago makes room; one that is held is not loaded again."""
    load = Mock(side_effect=lambda **asked: SimpleNamespace(model_object=asked["model"]))
    monkeypatch.setattr(ivrit, "load_model", load)
    store: Any = SimpleNamespace(fetch=Path)
    models = LoadedModels(store, LOAD, "cpu")
    assert [models.get(name) for name in ("a", "b", "a", "c", "a", "b")] == ["a", "b", "a", "c", "a", "b"]
    assert [call.kwargs["model"] for call in load.call_args_list] == ["a", "b", "c", "b"]
    assert {(call.kwargs["num_workers"], call.kwargs["cpu_threads"]) for call in load.call_args_list} == {(2, 1)}
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
    store: Any = SimpleNamespace(fetch=Path)
    models = LoadedModels(store, LOAD, "cpu")
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(ask, [models] * 4))) == 1


def test_a_model_that_is_loaded_is_had_while_another_one_loads() -> None:
    """Minutes of fetching a second model cost those who use the first one nothing; a third one waits its turn."""
    loading, arrived = threading.Event(), threading.Event()

    def load(path: str) -> str:
        if path == "b":
            loading.set()
            arrived.wait(60)
        return path.upper()

    store: Any = SimpleNamespace(fetch=str)
    models = LoadedModels(store, load, "cpu")
    assert models.get("a") == "A"
    with ThreadPoolExecutor(3) as threads:
        second = threads.submit(models.get, "b")
        loading.wait(60)
        third = threads.submit(models.get, "c")
        try:
            assert threads.submit(models.get, "a").result(30) == "A"
            assert not second.done()
            assert not third.done()
        finally:
            arrived.set()
        assert (second.result(60), third.result(60)) == ("B", "C")
    assert len(models._loaded) == KEPT


def test_a_model_that_cannot_be_fetched_now_is_tried_later() -> None:
    """A hub that is out of reach is no reason to give a job up."""
    store: Any = SimpleNamespace(fetch=Mock(side_effect=ModelUnavailable("big", ["hub: not reachable"])))
    with pytest.raises(TryLater, match="hub: not reachable"):
        LoadedModels(store, LOAD, "cpu").get("big")


@pytest.mark.parametrize(
    ("supported", "chosen"), [({"float16", "float32"}, "float16"), ({"int8_float32", "float32"}, "int8_float32")]
)
def test_a_gpu_is_used_when_there_is_one_in_the_best_type_it_supports(
    supported: set[str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'auto' takes CUDA where CTranslate2 finds it, 'cpu' does not; half precision only where it is supported."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(cublas, "load", lambda: None)
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
