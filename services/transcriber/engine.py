"""The engine that recognises speech with Whisper: loaded through ivrit, decoded with faster-whisper."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ctranslate2
import faster_whisper

from services.transcriber import hints
from services.transcriber.decoding import Passage
from services.transcriber.loading import LoadedModels, Placement
from services.transcriber.settings import TranscriberSettings
from services.transcriber.speech import Language, Samples
from shared.mesh.outcomes import GiveUp
from shared.models import ModelStore
from shared.options import Options
from shared.transcript import SAMPLE_RATE, Segment, Span

FRAME = 30 * SAMPLE_RATE
"""The samples that Whisper sees at once."""

VERSIONS = {"faster-whisper": faster_whisper.__version__, "ctranslate2": ctranslate2.__version__}


class WhisperEngine:
    """Whisper models by name, those that the settings serve; raises WrongSettings if their device is not there."""

    def __init__(self, settings: TranscriberSettings, store: ModelStore) -> None:
        self._served = tuple(dict.fromkeys((settings.transcriber_model, *settings.transcriber_models)))
        self._placement = Placement.of(settings)
        self._models = LoadedModels(store, self._placement)

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of faster-whisper and CTranslate2."""
        return VERSIONS

    async def open(self) -> None:
        """Load the model that serves most jobs, so that the first does not wait for it; raise TryLater or GiveUp."""
        await asyncio.to_thread(self._models.get, self._served[0])

    def serving(self, asked: str | None) -> str:
        """Return the name of the model for a job that asks for `asked`; raise GiveUp if it is not served here."""
        model = asked or self._served[0]
        if model not in self._served:
            raise GiveUp(f"model '{model}' is not served here; served: {', '.join(self._served)}")
        return model

    def fit(self, model: str, options: Options) -> tuple[Options, tuple[str, ...]]:
        """Return the options with hints no longer than the model can take, and a warning if anything was cut."""
        whisper = self._models.get(model)
        encode = whisper.hf_tokenizer.encode
        return hints.fit(options, whisper.max_length, lambda text: len(encode(text, add_special_tokens=False).ids))

    def hear(self, model: str, speech: Samples) -> Language:
        """Return the likeliest language of the speech, each 30 s of it counting by its length."""
        whisper = self._models.get(model)
        if not whisper.model.is_multilingual:
            return Language("en", 1.0)
        heard: Counter[str] = Counter()
        for start in range(0, len(speech), FRAME):
            piece = speech[start : start + FRAME]
            for code, probability in whisper.detect_language(piece)[2]:
                heard[code] += probability * len(piece) / len(speech)
        return Language(*heard.most_common(1)[0])

    def decode(
        self, model: str, samples: Samples, windows: Sequence[Span], language: str, options: Options
    ) -> Iterator[tuple[Segment, ...]]:
        """Yield what is said in each window, a batch at a time; raise GiveUp if the model lacks the language."""
        whisper = self._models.get(model)
        if not _knows(whisper, language):
            raise GiveUp(f"model '{model}' does not know the language '{language}'; ask for another model or language")
        return Passage(whisper, samples, language, options).decode(windows, self._placement.batch)


def _knows(whisper: Any, language: str) -> bool:
    """Whether the model's vocabulary has the language; faster-whisper would decode on without a language token."""
    if not whisper.model.is_multilingual:
        return language == "en"
    return whisper.hf_tokenizer.token_to_id(f"<|{language}|>") is not None
