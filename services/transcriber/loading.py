"""Whisper models in memory: loaded once through ivrit, on the best device there is, a few at a time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import ivrit

from services.transcriber.decoder import too_large
from services.transcriber.layouts import Layout
from services.transcriber.settings import TranscriberSettings
from services.transcriber.trial import rehearse
from shared import cublas
from shared.mesh.outcomes import GiveUp, TryLater
from shared.models import FETCH_AGAIN_SECONDS, ModelStore, ModelUnavailable, NoSuchModel
from shared.settings import WrongSettings

KEPT = 2
"""Models held at once: the usual one and one that a job names; more would crowd a GPU's memory.

One that made room stays in memory beside them until the last window that was made ready for it is written down.
"""

LOAD_AGAIN_SECONDS = 300.0
"""When a model for which there is no memory now is asked for again."""

COMPUTE_TYPES = {"cuda": ("float16", "int8_float32", "float32"), "cpu": ("int8", "float32")}
"""By device, the first that it supports is used; GPUs before Volta have no fast float16."""

BATCH = {"cuda": 8, "cpu": 2}
"""Whole windows decoded at once: a CPU gains next to nothing by more (decision 0015), and urgent jobs wait for less."""


@dataclass(frozen=True)
class Placement:
    """What models run on, in CTranslate2's words; `lacking` is what a GPU that is here cannot be used without."""

    device: str
    compute_type: str
    lacking: str | None = None

    @classmethod
    def of(cls, settings: TranscriberSettings) -> "Placement":
        """Return what the settings ask for on this machine; raise WrongSettings if it has no such device."""
        device, lacking = _device(settings.transcriber_device)
        supported = ctranslate2.get_supported_compute_types(device)
        compute_type = next(kind for kind in COMPUTE_TYPES[device] if kind in supported)
        return cls(device, compute_type, lacking)

    def load(self, path: str, layout: Layout) -> Any:
        """Return the faster-whisper model in a folder; `layout.streams` threads may call it at once.

        On a GPU each has heard something by then: CTranslate2 asks for a kernel or a library only when it computes.
        Raises FileNotFoundError if there are weights without a tokenizer: faster-whisper would take that of `tiny` from
        the hub, in which large-v3's tokens, the task's among them, have other numbers (its issue 835).
        """
        if (Path(path) / "model.bin").is_file() and not (Path(path) / "tokenizer.json").is_file():
            raise FileNotFoundError(
                "there is no tokenizer.json; ct2-transformers-converter --copy_files tokenizer.json"
            )
        whisper = self._read(path, layout)
        if self.device == "cuda":
            rehearse(whisper, layout.streams)
        return whisper

    def _read(self, path: str, layout: Layout) -> Any:
        return ivrit.load_model(
            engine="faster-whisper",
            model=path,
            device=self.device,
            compute_type=self.compute_type,
            # What ivrit does not know itself it hands to faster-whisper. The replicas share the weights.
            num_workers=layout.streams,
            cpu_threads=layout.threads,
            local_files_only=True,
        ).model_object


class LoadedModels:
    """faster-whisper models by name on one device; the one used longest ago makes room for a new one."""

    def __init__(self, store: ModelStore, load: Callable[[str], Any], device: str) -> None:
        self._store = store
        self._load = load
        self._device = device
        self._loaded: OrderedDict[str, Any] = OrderedDict()
        self._looking, self._loading = threading.Lock(), threading.Lock()

    def get(self, name: str) -> Any:
        """Return the model, loading it first if need be; blocks, and a second caller waits for the first's load.

        Raises GiveUp if there is no such model, TryLater if it cannot be fetched or does not fit into memory now, and
        RuntimeError if the device cannot do with it what it is for. What made room by then is loaded again when asked.
        """
        if found := self.loaded(name):
            return found
        with self._loading:
            return self.loaded(name) or self._new(name)

    def loaded(self, name: str) -> Any | None:
        """Return the model if it is in memory; never waits for another one's load."""
        with self._looking:
            if name in self._loaded:
                self._loaded.move_to_end(name)
            return self._loaded.get(name)

    def _new(self, name: str) -> Any:
        path = _fetched(self._store, name)
        with self._looking:
            while len(self._loaded) >= KEPT:
                self._loaded.popitem(last=False)
        try:
            model = self._load(path)
        except Exception as failure:
            raise self._unusable(name, path, failure) from failure
        with self._looking:
            self._loaded[name] = model
        return model

    def _unusable(self, name: str, path: str, failure: Exception) -> TryLater | RuntimeError:
        where = f"model '{name}' on '{self._device}'"
        if too_large(failure):
            return TryLater(f"{where} cannot be used now, it seems for want of memory: {failure!r}", LOAD_AGAIN_SECONDS)
        remedy = f"SCRIBE_TRANSCRIBER_DEVICE may name another; if files are damaged or missing, mend or remove {path}"
        return RuntimeError(f"{where} cannot be used ({remedy}): {failure!r}")


def _device(asked: str) -> tuple[str, str | None]:
    """Return the device, and what a GPU that is here lacks, if that decided it; raise WrongSettings as `of` does."""
    if asked == "cpu":
        return "cpu", None
    there = ctranslate2.get_cuda_device_count() > 0
    lacking = f"{missing}; {cublas.REMEDY}" if there and (missing := cublas.load()) else None
    if there and lacking is None:
        return "cuda", None
    if asked == "cuda":
        why = lacking or "CTranslate2 finds no CUDA device here"
        raise WrongSettings(f"SCRIBE_TRANSCRIBER_DEVICE: is 'cuda', but {why}; or use 'auto' or 'cpu'")
    return "cpu", lacking


def _fetched(store: ModelStore, name: str) -> str:
    """Return the folder that the model lies in, fetched if need be; raises as `LoadedModels.get` does."""
    try:
        return str(store.fetch(name))
    except NoSuchModel as unknown:
        raise GiveUp(str(unknown)) from unknown
    except ModelUnavailable as unavailable:
        raise TryLater(str(unavailable), FETCH_AGAIN_SECONDS) from unavailable
