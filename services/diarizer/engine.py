"""Finding the speakers with pyannote.audio."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import torch

from services.diarizer.campplus import NAME as VOICES
from services.diarizer.campplus import CamPlusPlus
from services.diarizer.clustering import bound
from services.diarizer.device import placed
from services.diarizer.fitting import Fitting
from services.diarizer.heard import Heard
from services.diarizer.listening import listened
from services.diarizer.precision import exact
from services.diarizer.pyannote_audio import (
    PLDA,
    Pipeline,
    PyanNet,
    SlidingWindow,
    SlidingWindowFeature,
    SpeakerDiarization,
    segmentation,
)
from services.diarizer.reconstruction import frugal
from services.diarizer.segmentation import STEP, WINDOW, prepare, whole
from services.diarizer.settings import DiarizerSettings
from services.diarizer.stage import Samples
from shared.mesh.outcomes import GiveUp
from shared.models import OFFLINE, ModelStore
from shared.transcript import SAMPLE_RATE, Turn

log = logging.getLogger(__name__)

SPEECH = "pyannote-segmentation-3.0"

CLUSTERING = {"method": "centroid", "threshold": 0.8, "min_cluster_size": 12}
"""For CAM++ voices. pyannote's sample (two people): error 0.052 at every threshold from 0.55 to 0.95; the sample 20
times over: 0.057 from 0.75 to 0.95, and below that a third person who is not there."""


class NoPlda(PLDA):
    """Stands where pyannote would fetch a PLDA from the hub, which agglomerative clustering never asks."""

    def __init__(self) -> None:
        """Load nothing."""


class PyannoteEngine:
    """A pipeline, loaded (and its models fetched) when it is first needed; raises WrongSettings without its device.

    `broken` is called when the GPU can do nothing more for this process.
    """

    def __init__(
        self, store: ModelStore, settings: DiarizerSettings, broken: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store
        self._settings = settings
        self._broken = broken
        self._device = placed(settings.diarizer_device)
        self._fitting = Fitting(settings.diarizer_segmentation_batch, settings.diarizer_embedding_batch)
        self._loading = threading.Lock()
        self._pipeline: Any = None

    @property
    def model(self) -> str:
        """The name of the pipeline."""
        return self._settings.diarizer_model

    @property
    def overlap(self) -> float:
        """The seconds by which the last window that begins in a piece reaches into the next."""
        return (WINDOW - STEP) / SAMPLE_RATE

    @property
    def versions(self) -> dict[str, str]:
        """The versions of what decides the result."""
        return {name: version(name) for name in ("pyannote.audio", "torch")}

    def listen(self, samples: Samples, on_progress: Callable[[float], None]) -> Heard:
        """Return what is heard in 16 kHz mono samples between -1 and 1: a recording, or a piece of one.

        A piece begins a whole number of groups of windows after the recording does, and all but the last reach
        `overlap` seconds into the next. `on_progress` hears fractions before each batch, from 0 again if batches did
        not fit into memory; what it raises ends the run. Raises what `ModelStore.fetch` does, GiveUp if the model is no
        pipeline that finds speakers, and TryLater if the GPU has no memory left.
        """
        torch.set_num_threads(self._settings.diarizer_threads)
        try:
            return self._fitting.run(partial(listened, self._loaded(), whole(torch.from_numpy(samples)), on_progress))
        except torch.AcceleratorError as failure:
            # CUDA answers all that this process asks from now on with an error.
            log.critical("the GPU does nothing more for this process; ending, to be started again: %s", failure)
            self._broken()
            raise

    def tell_apart(
        self, heard: Heard, *, num_speakers: int | None, min_speakers: int | None, max_speakers: int | None
    ) -> list[Turn]:
        """Return who speaks when in a whole recording; turns may overlap. Raises what `listen` does."""
        windows = SlidingWindow(start=0.0, duration=WINDOW / SAMPLE_RATE, step=STEP / SAMPLE_RATE)
        pipeline = self._loaded()
        # A pipeline in training takes from the file what it has computed of it before.
        known = {
            "uri": "recording",
            pipeline.CACHED_SEGMENTATION: SlidingWindowFeature(heard.active, windows),
            "training_cache/embeddings": {"embeddings": heard.voices},
        }
        bounds = {"num_speakers": num_speakers, "min_speakers": min_speakers, "max_speakers": max_speakers}
        tracks = pipeline.apply(known, **bounds).speaker_diarization.itertracks(yield_label=True)
        return [Turn(start=span.start, end=span.end, speaker=label) for span, _, label in tracks]

    def _loaded(self) -> Any:
        with self._loading:
            if self._pipeline is None:
                self._pipeline = self._load()
            return self._pipeline

    def _load(self) -> Any:
        pipeline = self._offline() if self.model == OFFLINE else self._named()
        prepare(segmentation(pipeline).model)
        bound(pipeline.clustering)
        frugal(pipeline)
        pipeline.training = True
        exact()
        return pipeline.to(self._device)

    def _offline(self) -> Any:
        pipeline = SpeakerDiarization(
            segmentation=str(self._store.fetch(SPEECH) / "pytorch_model.bin"),
            embedding=CamPlusPlus(self._store.fetch(VOICES)),
            embedding_exclude_overlap=True,
            plda=NoPlda(),
            clustering="AgglomerativeClustering",
        )
        return pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": CLUSTERING})

    def _named(self) -> Any:
        folder = self._store.fetch(self.model)
        pipeline = Pipeline.from_pretrained(folder) if (folder / "config.yaml").is_file() else None
        if not (isinstance(pipeline, SpeakerDiarization) and _is_usual(segmentation(pipeline))):
            raise GiveUp(
                f"'{self.model}' is no pyannote speaker diarization pipeline over PyanNet's windows of 10 s, one each "
                "second; set SCRIBE_DIARIZER_MODEL to one"
            )
        return pipeline


def _is_usual(inference: Any) -> bool:
    grid = round(inference.duration * SAMPLE_RATE), round(inference.step * SAMPLE_RATE)
    powerset = getattr(inference.model.specifications, "powerset", False)
    return isinstance(inference.model, PyanNet) and powerset and grid == (WINDOW, STEP)
