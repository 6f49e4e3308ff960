"""A window by itself: faster-whisper's own rules for real, a model that writes what it is told at each temperature."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from faster_whisper.transcribe import get_compression_ratio

from services.transcriber.careful import careful
from services.transcriber.doubt import COMPRESSION_RATIO
from services.transcriber.layouts import Layout
from services.transcriber.loading import Placement
from services.transcriber.ready import Ready
from services.transcriber.speech import Window
from shared.models import ModelStore
from tests.fakes.jobs import new_job

LOOP = [" We drove to Houston." * 3]
SURER = [" They flew to Dallas." * 3]
FINE = [" We drove to Houston and then back to San Antonio."]
SECONDS = 6

Heard = tuple[str, list[float]]
Written = dict[float, tuple[list[str], float]]


@pytest.fixture(scope="module")
def whisper(model_store: ModelStore) -> Any:
    """Return a small model."""
    return Placement("cpu", "int8").load(str(model_store.fetch("tiny.en")), Layout(1, 1))


@pytest.fixture
def hear(whisper: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Written], Heard]:
    """Return what hears a window of which the model writes these sentences, this surely, at these temperatures.

    The text is returned, and the temperatures that were tried.
    """

    def heard(written: Written) -> Heard:
        tried: list[float] = []
        options = new_job(language="en", temperature=list(written)).job.options
        window = Window(np.zeros(SECONDS * 16_000, np.float32), "en", "tiny.en", options)
        ready = Ready.of(window, whisper, 0)

        def generate(*_: Any, sampling_temperature: float = 0.0, **__: Any) -> list[Any]:
            tried.append(sampling_temperature)
            sentences, sureness = written[sampling_temperature]
            return [SimpleNamespace(sequences_ids=[timed(ready, sentences)], scores=[sureness], no_speech_prob=0.0)]

        monkeypatch.setattr(whisper, "model", Mock(wraps=whisper.model, generate=generate, is_multilingual=False))
        monkeypatch.setattr(whisper, "add_word_timestamps", wordless)
        return " ".join(part.text for part in careful(ready)), tried

    return heard


def wordless(segments: list[list[dict[str, Any]]], *_: Any, **__: Any) -> None:
    """Leave the segments where the time tokens put them: what the model is made to write is not in the sound."""
    for part in segments[0]:
        part["words"] = []


def timed(ready: Ready, sentences: list[str]) -> list[int]:
    """Return the tokens of sentences that share out the window, each between two time tokens."""
    each = SECONDS * 50 // len(sentences)
    tokens: list[int] = []
    for at, sentence in enumerate(sentences):
        begin = ready.tokenizer.timestamp_begin + at * each
        tokens += [begin, *ready.tokenizer.encode(sentence), begin + each]
    return tokens


@pytest.mark.parametrize("loop", [LOOP, [" We drove to Houston."] * 3])
def test_a_loop_that_compresses_little_is_decoded_again_at_the_next_temperatures(
    hear: Callable[[Written], Heard], loop: list[str]
) -> None:
    """faster-whisper takes it, in one segment or in several; what is heard is what a higher temperature gives."""
    assert get_compression_ratio("".join(loop)) < COMPRESSION_RATIO
    text, tried = hear({0.0: (loop, -0.2), 0.2: (loop, -0.2), 0.4: (FINE, -0.5), 0.6: (LOOP, -0.1)})
    assert text == FINE[0].strip()
    assert tried == [0.0, 0.2, 0.4]


def test_of_texts_that_all_loop_the_surest_is_kept(hear: Callable[[Written], Heard]) -> None:
    """Each temperature is tried once, and nothing is lost."""
    text, tried = hear({0.0: (LOOP, -0.4), 0.2: (SURER, -0.2), 0.4: (LOOP, -0.3)})
    assert text == SURER[0].strip()
    assert tried == [0.0, 0.2, 0.4]


def test_a_loop_that_is_only_the_surest_guess_gives_way_to_one_that_does_not_loop(
    hear: Callable[[Written], Heard],
) -> None:
    """Where faster-whisper believes no text, it names the last temperature, whichever made the text that it returns."""
    text, _ = hear({0.0: (LOOP, -1.3), 0.2: (FINE, -1.6), 0.4: (FINE, -1.9)})
    assert text == FINE[0].strip()


def test_a_text_that_does_not_loop_is_taken_at_once(hear: Callable[[Written], Heard]) -> None:
    """No temperature is tried for nothing."""
    assert hear({0.0: (FINE, -0.3), 0.2: (LOOP, -0.1)}) == (FINE[0].strip(), [0.0])


@pytest.mark.parametrize(("sureness", "text"), [(-0.4, FINE[0].strip()), (-0.9, "Houston"), (None, "")])
def test_a_text_of_nothing_but_hints_is_held_against_what_is_heard_without_them(
    whisper: Any, monkeypatch: pytest.MonkeyPatch, sureness: float | None, text: str
) -> None:
    """The surer one is the text; where nothing is heard without hints, nothing was said."""
    options = new_job(language="en", temperature=0.0, hotwords="Dallas, Houston").job.options
    ready = Ready.of(Window(np.zeros(SECONDS * 16_000, np.float32), "en", "tiny.en", options), whisper, 0)

    def generate(_sound: Any, prompts: list[list[int]], **_: Any) -> list[Any]:
        hinted = ready.tokenizer.sot_prev in prompts[0]
        said, sure = ([" Houston"], -0.6) if hinted else (FINE, -2.0 if sureness is None else sureness)
        silent = 0.0 if hinted or sureness is not None else 0.9
        return [SimpleNamespace(sequences_ids=[timed(ready, said)], scores=[sure], no_speech_prob=silent)]

    monkeypatch.setattr(whisper, "model", Mock(wraps=whisper.model, generate=generate, is_multilingual=False))
    monkeypatch.setattr(whisper, "add_word_timestamps", wordless)
    assert " ".join(part.text for part in careful(ready)) == text
