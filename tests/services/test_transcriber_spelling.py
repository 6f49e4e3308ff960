"""Words as people write them, of real weights that are made to say them."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import Word

from services.transcriber.careful import careful
from services.transcriber.layouts import Layout
from services.transcriber.loading import Placement
from services.transcriber.ready import FULL_SECONDS, Ready
from services.transcriber.speech import Window
from services.transcriber.words import Written, aligned
from shared.models import ModelStore
from tests.fakes.jobs import new_job
from tests.recordings import samples


@pytest.fixture(scope="module")
def whisper(model_store: ModelStore) -> Any:
    """Return the multilingual base model."""
    return Placement("cpu", "int8").load(str(model_store.fetch("base")), Layout(1, 1))


@pytest.fixture(scope="module")
def encoded(whisper: Any) -> Any:
    """Return six seconds of the sample as the model has heard them."""
    sound = samples()[: 6 * 16_000].astype(np.float32) / np.float32(32768)
    return whisper.encode(whisper.feature_extractor(sound, padding=24 * 16_000))


@pytest.mark.parametrize(
    ("language", "task", "text", "written"),
    [
        ("he", "transcribe", ' חיילי צה"ל, לדברי ד"ר כהן', ["חיילי", 'צה"ל,', "לדברי", 'ד"ר', "כהן"]),
        ("he", "transcribe", " צ'יפס ב-5 שקלים.", ["צ'יפס", "ב-5", "שקלים."]),
        ("en", "transcribe", " twenty-one, 3.5% and/or U.S. law", ["twenty-one,", "3.5%", "and/or", "U.S.", "law"]),
        ("ja", "translate", " Multi-layered cardboarding.", ["Multi-layered", "cardboarding."]),
        ("ja", "transcribe", "猫が好き。", ["猫", "が", "好", "き。"]),
        ("ja", "transcribe", "（笑）スーパーで3.5円。", ["（笑）", "スーパー", "で", "3.5", "円。"]),
        ("zh", "transcribe", "我用iPhone, GPT-4很好！", ["我", "用", "iPhone,", "GPT-4", "很好！"]),
        ("th", "transcribe", "ที่นี่ ผม 3.5 บาท", ["ที่", "นี่", "ผม", "3.5", "บ", "า", "ท"]),
        ("ja", "transcribe", "👨\u200d👩\u200d👧すごい", ["👨\u200d👩\u200d👧", "すごい"]),
    ],
)
def test_a_word_ends_at_a_space_and_at_no_sign_inside_it(
    whisper: Any, encoded: Any, language: str, task: str, text: str, written: list[str]
) -> None:
    """Gershayim, points, hyphens and the pieces of a translation part no word.

    Where there are no spaces, no sign, number or Latin word is parted, and no letter from its vowels.
    """
    tokenizer = Tokenizer(whisper.hf_tokenizer, multilingual=True, task=task, language=language)
    (found,) = aligned(whisper, encoded, [Written(tokenizer, tokenizer.encode(text), 0.0, 0.0, 6.0)])
    assert [word.text.strip() for word in found.words] == written
    assert "".join(word.text for word in found.words) == text
    times = [at for word in found.words for at in (word.start, word.end)]
    assert times == sorted(times)


def test_a_window_by_itself_has_the_same_words(whisper: Any) -> None:
    """What faster-whisper's own decoder parts is joined as well, as sure as its least sure part."""
    parted = [Word(0.0, 0.4, " ועו", 0.9), Word(0.4, 0.6, '"ד', 0.5), Word(0.6, 1.0, " לוי.", 0.8)]
    part = SimpleNamespace(start=0.0, end=1.0, text=' ועו"ד לוי.', words=parted, tokens=[1, 2])
    part.avg_logprob, part.no_speech_prob, part.temperature, part.compression_ratio = -0.1, 0.0, 0.0, 1.0
    options = new_job(language="he").job.options
    ready = Ready.of(Window(np.zeros(16_000, np.float32), "he", "base", options), whisper, FULL_SECONDS)
    (found,) = careful(replace(ready, whisper=Mock(transcribe=Mock(return_value=([part], None)))))
    told = [(word.text, word.start, word.end, word.probability) for word in found.words]
    assert told == [(' ועו"ד', 0.0, 0.6, 0.5), (" לוי.", 0.6, 1.0, 0.8)]
