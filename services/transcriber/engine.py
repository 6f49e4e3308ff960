"""The engine that recognises speech with Whisper: windows in, text out; needs no mesh around it.

engine = WhisperEngine(settings, store)
await engine.open()
segments = await engine.transcribe(Window(samples, "en", "base", options))
"""

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from operator import itemgetter
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper

from services.transcriber import hints
from services.transcriber.batching import Batcher
from services.transcriber.decoding import WhisperDecoder
from services.transcriber.fits import Fits
from services.transcriber.layouts import Layout, cache_file, fastest, layouts
from services.transcriber.loading import BATCH, LoadedModels, Placement
from services.transcriber.ready import Ready
from services.transcriber.settings import TranscriberSettings
from services.transcriber.slack import seconds_behind
from services.transcriber.speech import Language, Samples, Window
from shared.mesh.outcomes import GiveUp
from shared.models import ModelStore
from shared.options import Options
from shared.telemetry import in_engine
from shared.transcript import SAMPLE_RATE, Segment

log = logging.getLogger(__name__)

FRAME = 30 * SAMPLE_RATE
"""The samples that Whisper sees at once."""

DETECTIONS = 2
"""Languages detected at once: both pieces of a recording's first minute."""

REMEMBERED = 64
"""So many languages are remembered: a recording's second chunk may begin before the first one's answer is committed."""

VERSIONS = {"faster-whisper": faster_whisper.__version__, "ctranslate2": ctranslate2.__version__}


class WhisperEngine:
    """Whisper models by name, those that the settings serve; raises WrongSettings if their device is not there.

    `idle` is called whenever a stream has nothing to do.
    """

    def __init__(
        self, settings: TranscriberSettings, store: ModelStore, idle: Callable[[], None] = lambda: None
    ) -> None:
        self._settings = settings
        self._store = store
        self._idle = idle
        self._served = tuple(dict.fromkeys((settings.transcriber_model, *settings.transcriber_models)))
        self._placement = Placement.of(settings)
        # One thread: mels keep their order, and take a hundredth of the time that the model takes.
        self._mels = ThreadPoolExecutor(1, "mels")
        self._loads = ThreadPoolExecutor(1, "loads")
        # Not the streams': there a language would wait for whole batches, and a batch for it. CTranslate2 takes its
        # calls between those of a batch, and runs no more of them at once than there are streams.
        self._detections = ThreadPoolExecutor(DETECTIONS, "languages")
        self._detected = OrderedDict[tuple[str, bytes], Language]()

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of faster-whisper and CTranslate2."""
        return VERSIONS

    @property
    def batch(self) -> int:
        """How many windows are begun together."""
        return self._batcher.batch

    @property
    def free(self) -> int:
        """How many windows could be begun at once: what a batch holds, for each stream that has nothing to do."""
        return self._batcher.free

    async def open(self) -> None:
        """Load the model that serves most jobs, and find out how to share out the cores.

        Raises TryLater, GiveUp or RuntimeError as `LoadedModels.get` does: then the service takes no message.
        """
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        settings, usual = self._settings, self._served[0]
        if self._placement.lacking:
            log.warning("the CPU is used, though there is a GPU: %s", self._placement.lacking)
        configured = settings.transcriber_batch or BATCH[self._placement.device]
        fits = Fits(self._file(configured).with_suffix(".fits.json"), configured, settings)
        width = fits.width()
        layout, *others = layouts(settings, self._placement.device)
        if others:
            file = self._file(width)
            layout = fastest(file, [layout, *others], lambda each: self._loading(each).get(usual), width)
        self._models = self._loading(layout)
        self._models.get(usual)
        self._batcher = Batcher[Ready](WhisperDecoder(), layout.streams, width, self._idle, fits.only)

    def _loading(self, layout: Layout) -> LoadedModels:
        return LoadedModels(self._store, partial(self._placement.load, layout=layout), self._placement.device)

    def _file(self, width: int) -> Path:
        """Return the file that keeps what was found out about this machine with batches of that width."""
        return cache_file(self._settings.cache / "layouts", self._served[0], self._placement.compute_type, width)

    def serving(self, asked: str | None) -> str:
        """Return the name of the model for a job that asks for `asked`; raise GiveUp if it is not served here."""
        model = asked or self._served[0]
        if model not in self._served:
            raise GiveUp(f"model '{model}' is not served here; served: {', '.join(self._served)}")
        return model

    async def fit_hints(self, model: str, options: Options) -> tuple[Options, tuple[str, ...]]:
        """Return the options with hints no longer than the model can take, and a warning if anything was cut."""
        whisper = await self._model(model)
        return await asyncio.to_thread(hints.fit, options, whisper.max_length, partial(_tokens, whisper.hf_tokenizer))

    async def detect_language(self, model: str, speech: Samples) -> Language:
        """Return the likeliest language of the speech, each 30 s of it counting by its length."""
        whisper = await self._model(model)
        if not whisper.model.is_multilingual:
            return Language("en", 1.0)
        asked = model, blake2b(speech.data).digest()
        if asked not in self._detected:
            self._detected[asked] = await self._detect(whisper, speech)
            if len(self._detected) > REMEMBERED:
                self._detected.popitem(last=False)
        return self._detected[asked]

    async def _detect(self, whisper: Any, speech: Samples) -> Language:
        loop, pieces = asyncio.get_running_loop(), [speech[at : at + FRAME] for at in range(0, len(speech), FRAME)]
        told = await asyncio.gather(
            *(loop.run_in_executor(self._detections, _languages, whisper, each) for each in pieces)
        )
        heard = defaultdict[str, float](float)
        for piece, languages in zip(pieces, told, strict=True):
            for code, probability in languages:
                heard[code] += probability * len(piece) / len(speech)
        return Language(*max(heard.items(), key=itemgetter(1)))

    async def transcribe(self, window: Window) -> tuple[Segment, ...]:
        """Return what is said in the window, in seconds from its first sample; see `speech.Engine`."""
        loop, model, language = asyncio.get_running_loop(), window.model, window.language
        whisper = await self._model(model)
        if not _knows(whisper, language):
            raise GiveUp(f"model '{model}' does not know the language '{language}'; ask for another model or language")
        slack = seconds_behind(model, self._settings.transcriber_slack)
        return await self._batcher.decode(await loop.run_in_executor(self._mels, Ready.of, window, whisper, slack))

    async def _model(self, name: str) -> Any:
        """Return the model, loaded again if it made room; raise TryLater or GiveUp if it cannot be had."""
        if found := self._models.loaded(name):
            return found
        # By no thread that a model which is there needs: fetching may take minutes.
        return await asyncio.get_running_loop().run_in_executor(self._loads, self._models.get, name)


def _tokens(tokenizer: Any, text: str) -> int:
    """Return how many tokens the text takes."""
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


def _languages(whisper: Any, piece: Samples) -> list[tuple[str, float]]:
    """Return the probability of each language that up to 30 s of speech may be in."""
    with in_engine():
        found: list[tuple[str, float]] = whisper.detect_language(piece)[2]
    return found


def _knows(whisper: Any, language: str) -> bool:
    """Whether the model's vocabulary has the language; faster-whisper would decode on without a language token."""
    if not whisper.model.is_multilingual:
        return language == "en"
    return whisper.hf_tokenizer.token_to_id(f"<|{language}|>") is not None
