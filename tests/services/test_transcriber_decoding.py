"""Batches through real weights: what a window's neighbours are changes nothing, and doubt costs one window only."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from services.transcriber.decoding import WhisperDecoder
from services.transcriber.doubt import LOOP_TOKENS, Doubt, doubt, loops
from services.transcriber.layouts import Layout
from services.transcriber.loading import Placement
from services.transcriber.ready import FULL_SECONDS, Ready, seen
from services.transcriber.settings import TranscriberSettings
from services.transcriber.slack import seconds_behind
from services.transcriber.speech import Window
from shared.models import ModelStore
from shared.settings import WrongSettings, load
from shared.transcript import Segment
from tests.fakes.jobs import new_job
from tests.recordings import samples

PIECES = ((6.5, 10.0), (10.7, 14.2), (14.4, 17.8), (17.7, 21.5), (21.8, 24.0), (24.0, 30.0))


@pytest.fixture(scope="module")
def whisper(model_store: ModelStore) -> Any:
    """Return the multilingual base model."""
    return Placement("cpu", "int8").load(str(model_store.fetch("base")), Layout(1, 1))


def pieces(whisper: Any, *asked: dict[str, Any], slack: float = FULL_SECONDS) -> list[Ready]:
    """Return pieces of the sample, each asked for as the job it comes from does, with so much silence behind them."""
    sound = samples().astype(np.float32) / np.float32(32768)
    windows = []
    for (start, end), options in zip(PIECES, asked, strict=False):
        said = new_job(**{"language": "en", "temperature": 0.0, **options}).job.options
        assert said.language is not None
        windows.append(Window(sound[int(start * 16_000) : int(end * 16_000)], said.language, "base", said))
    return [Ready.of(window, whisper, slack) for window in windows]


def told(texts: Sequence[tuple[Segment, ...] | Doubt]) -> list[Any]:
    """Return each window's text and the times of its words, or the doubt about it."""
    return [text if isinstance(text, Doubt) else [_told(part) for part in text] for text in texts]


def _told(part: Segment) -> tuple[str, list[tuple[str, float, float]]]:
    return part.text, [(word.text, word.start, word.end) for word in part.words]


@pytest.mark.parametrize("slack", [5, FULL_SECONDS])
def test_windows_of_several_jobs_are_written_down_as_each_would_be_by_itself(whisper: Any, slack: float) -> None:
    """Text, times and doubts are the same to the letter, whatever language and task the neighbours have."""
    asked: list[dict[str, Any]] = [{}, {"language": "de"}, {"task": "translate"}, {}, {"language": "de"}, {}]
    ready = pieces(whisper, *asked, slack=slack)
    decoder = WhisperDecoder()
    kinds = [[each for each in ready if each.kind == kind] for kind in dict.fromkeys(each.kind for each in ready)]
    batched = [text for alike in kinds for text in told(decoder.together(alike))]
    assert batched == [told(decoder.together([each]))[0] for alike in kinds for each in alike]
    assert "New Jersey" in batched[3][0][0]


class AsOnAGpu:
    """Stands in for CTranslate2's model on the processor, and is asked as one on a GPU would be."""

    device = "cuda"

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.mark.parametrize("languages", ["eeee", "edde"])
def test_on_a_gpu_the_times_of_a_windows_words_do_not_depend_on_its_neighbours_texts(
    whisper: Any, languages: str
) -> None:
    """All are equally long and their texts are not, the case in which CTranslate2 mixes them."""
    gpu = copy(whisper)
    gpu.model = AsOnAGpu(whisper.model)
    ready = pieces(gpu, *({"language": {"e": "en", "d": "de"}[code]} for code in languages))
    assert told(WhisperDecoder().together(ready)) == [told(WhisperDecoder().together([each]))[0] for each in ready]


def test_windows_with_hints_go_with_those_whose_hints_are_as_long(whisper: Any) -> None:
    """CTranslate2 wants the start token at one place, so a prompt's length decides; another beam never goes along."""
    plain, diane, sheila, longer, beam, hot = pieces(
        whisper,
        {},
        {"initial_prompt": "Diane."},
        {"initial_prompt": "Sheila"},
        {"initial_prompt": "A call to Texas."},
        {"beam_size": 2},
        {"temperature": 0.4},
    )
    same = len(diane.prompt) == len(sheila.prompt)
    assert (diane.kind == sheila.kind) is same
    assert len({each.kind for each in (plain, diane, longer, beam, hot)}) == 5


def test_a_trimmed_window_sees_its_speech_and_the_slack(whisper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is encoded is a multiple of five seconds, up to the model's 30 s, and alike for all windows of a chunk."""
    encode = Mock(wraps=whisper.encode)
    monkeypatch.setattr(whisper, "encode", encode)
    short, alike, _, _, _, long = pieces(whisper, *[{}] * 6, slack=5)
    (text,) = WhisperDecoder().together([short])
    assert encode.call_args.args[0].shape[-1] == 1000
    assert isinstance(text, tuple)
    assert "hello" in text[0].text.lower()
    assert short.kind == alike.kind != long.kind
    beside = Ready.of(replace(short.window, longest=long.window.seconds), whisper, 5)
    assert beside.kind == long.kind
    assert (short.per_whole, long.per_whole) == (3, 2)
    assert [seen(seconds, 5) for seconds in (0.1, 5.0, 5.1, 24.9, 29.0)] == [10, 10, 15, 30, 30]
    assert seen(2.0, FULL_SECONDS) == FULL_SECONDS


def test_a_trimmed_window_made_whole_is_the_one_that_was_never_trimmed(whisper: Any) -> None:
    """The silence that is put behind it is what its own would have been, to the last digit."""
    (trimmed,), (whole,) = (pieces(whisper, {}, slack=slack) for slack in (5, FULL_SECONDS))
    made = trimmed.whole()
    assert made is not None
    assert made.mel is not None
    assert whole.mel is not None
    assert np.array_equal(made.mel, whole.mel)
    assert made.kind == whole.kind
    assert whole.whole() is made.whole() is None


def test_a_loop_is_found_and_so_is_a_guess_but_people_may_repeat_themselves() -> None:
    """A few tokens over and over are a loop; 'no, no, no' is not, nor is a list."""
    assert loops([1, 2, 3, *[7, 8, 9, 10] * 3])
    assert loops([5] * LOOP_TOKENS)
    assert loops([4, 4, 1, 2, *[5] * LOOP_TOKENS])
    assert not loops([1, 2] * 3)
    assert not loops(list(range(200)))
    assert doubt([7, 8, 9, 10] * 4, -0.2, 1.5) == Doubt("loop")
    assert doubt([1, 2], -0.2, 2.5) == Doubt("compression ratio")
    assert doubt([1, 2], -1.2, 1.5) == Doubt("log-probability")
    assert doubt([1, 2], -0.2, 1.5) is None


def test_a_text_in_doubt_is_kept_only_where_nothing_else_can_be_tried(
    whisper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one temperature a window that saw all there is keeps its text; one that was trimmed is to be heard again."""
    monkeypatch.setattr("services.transcriber.doubt.LOG_PROBABILITY", 0.0)
    monkeypatch.setattr("services.transcriber.doubt.TRIMMED_LOG_PROBABILITY", 0.0)
    once, twice = pieces(whisper, {}, {"temperature": (0.0, 0.2)})
    assert isinstance(WhisperDecoder().together([once])[0], tuple)
    assert WhisperDecoder().together([twice]) == [Doubt("log-probability")]
    assert WhisperDecoder().together(pieces(whisper, {}, slack=5)) == [Doubt("log-probability")]


def test_a_trimmed_text_is_believed_less() -> None:
    """What would do for a window seen at 30 s is a doubt where the model saw less."""
    assert doubt([1, 2], -0.8, 1.5) is None
    assert doubt([1, 2], -0.8, 1.5, trimmed=True) == Doubt("log-probability")


def test_only_a_model_whose_words_were_measured_to_hold_is_trimmed_unasked() -> None:
    """A deployment may ask for any model to be trimmed, or for none."""
    assert [seconds_behind(model, None) for model in ("base", "tiny.en", "ivrit-ai/whisper-large-v3-turbo-ct2")] == [
        5.0,
        FULL_SECONDS,
        FULL_SECONDS,
    ]
    assert (seconds_behind("base", 30.0), seconds_behind("tiny.en", 10.0)) == (30.0, 10.0)


def test_a_slack_at_which_models_loop_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable."""
    monkeypatch.setenv("SCRIBE_TRANSCRIBER_SLACK", "2")
    with pytest.raises(WrongSettings, match="SCRIBE_TRANSCRIBER_SLACK: Input should be greater than or equal to 5"):
        load(TranscriberSettings)
