"""Whisper models in memory: loaded once through ivrit, on the best device there is, a few at a time."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ctranslate2
import ivrit

from services.transcriber.layouts import Layout
from services.transcriber.settings import TranscriberSettings
from shared.mesh.outcomes import GiveUp, TryLater
from shared.models import FETCH_AGAIN_SECONDS, ModelStore, ModelUnavailable, NoSuchModel
from shared.settings import WrongSettings

KEPT = 2
"""Models held at once: the usual one and one that a job names; more would crowd a GPU's memory.

One that made room stays in memory beside them until the last window that was made ready for it is written down.
"""

COMPUTE_TYPES = {"cuda": ("float16", "int8_float32", "float32"), "cpu": ("int8", "float32")}
"""By device, the first that it supports is used; GPUs before Volta have no fast float16."""

BATCH = {"cuda": 8, "cpu": 2}
"""Whole windows decoded at once: a CPU gains next to nothing by more (decision 0015), and urgent jobs wait for less."""


@dataclass(frozen=True)
class Placement:
    """What models run on, in CTranslate2's words."""

    device: str
    compute_type: str

    @classmethod
    def of(cls, settings: TranscriberSettings) -> "Placement":
        """Return what the settings ask for on this machine; raise WrongSettings if it has no such device."""
        devices = ctranslate2.get_cuda_device_count()
        if settings.transcriber_device == "cuda" and not devices:
            raise WrongSettings(
                "SCRIBE_TRANSCRIBER_DEVICE: is 'cuda', but CTranslate2 finds no CUDA device here; use 'auto' or 'cpu'"
            )
        device = "cuda" if devices and settings.transcriber_device != "cpu" else "cpu"
        supported = ctranslate2.get_supported_compute_types(device)
        compute_type = next(kind for kind in COMPUTE_TYPES[device] if kind in supported)
        return cls(device, compute_type)

    def load(self, path: str, layout: Layout) -> Any:
        """Return the faster-whisper model in a folder; `layout.streams` threads may call it at once."""
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
    """faster-whisper models by name; the one used longest ago makes room for a new one."""

    def __init__(self, store: ModelStore, load: Callable[[str], Any]) -> None:
        self._store = store
        self._load = load
        self._loaded: OrderedDict[str, Any] = OrderedDict()
        self._looking, self._loading = threading.Lock(), threading.Lock()

    def get(self, name: str) -> Any:
        """Return the model, loading it first if need be; blocks, and a second caller waits for the first's load.

        Raises GiveUp if there is no such model, TryLater if it cannot be fetched now.
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
        path = fetched(self._store, name)
        with self._looking:
            while len(self._loaded) >= KEPT:
                self._loaded.popitem(last=False)
        model = self._load(path)
        with self._looking:
            self._loaded[name] = model
        return model


def fetched(store: ModelStore, name: str) -> str:
    """Return the folder that the model lies in, fetched if need be; raises as `LoadedModels.get` does."""
    try:
        return str(store.fetch(name))
    except NoSuchModel as unknown:
        raise GiveUp(str(unknown)) from unknown
    except ModelUnavailable as unavailable:
        raise TryLater(str(unavailable), FETCH_AGAIN_SECONDS) from unavailable
