"""Finding the speakers with pyannote.audio."""

import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from services.diarizer.campplus import NAME as VOICES
from services.diarizer.campplus import CamPlusPlus
from services.diarizer.pyannote_audio import PLDA, Pipeline, SpeakerDiarization
from services.diarizer.settings import OFFLINE, DiarizerSettings
from shared.mesh.outcomes import GiveUp
from shared.models import ModelStore
from shared.transcript import SAMPLE_RATE, Turn

SPEECH = "pyannote-segmentation-3.0"

CLUSTERING = {"method": "centroid", "threshold": 0.8, "min_cluster_size": 12}
"""For CAM++ voices. pyannote's sample (two people): error 0.052 at every threshold from 0.55 to 0.95; the sample 20
times over: 0.057 from 0.75 to 0.95, and below that a third person who is not there."""

SHARES = {"segmentation": (0.0, 0.2), "speaker_counting": (0.2, 0.0), "embeddings": (0.2, 0.8)}
"""Where a leg of the pipeline begins, and its part of the time, on a CPU; what comes after them takes none."""


class _NoPlda(PLDA):
    """Stands where pyannote would fetch a PLDA from the hub, which agglomerative clustering never asks."""

    def __init__(self) -> None:
        """Load nothing."""


class PyannoteEngine:
    """A pipeline, loaded (and its models fetched) when it is first needed; on a GPU if there is one."""

    def __init__(self, store: ModelStore, settings: DiarizerSettings) -> None:
        self._store = store
        self._settings = settings
        self._loading = threading.Lock()
        self._pipeline: Any = None

    @property
    def model(self) -> str:
        """The name of the pipeline."""
        return self._settings.diarizer_model

    @property
    def versions(self) -> dict[str, str]:
        """The versions of what decides the result."""
        return {name: version(name) for name in ("pyannote.audio", "torch")}

    def diarize(
        self,
        samples: np.ndarray[tuple[int], np.dtype[np.float32]],
        *,
        num_speakers: int | None,
        min_speakers: int | None,
        max_speakers: int | None,
        on_progress: Callable[[float], None],
    ) -> list[Turn]:
        """Return who speaks when in 16 kHz mono samples between -1 and 1; turns may overlap.

        `on_progress` hears fractions after each batch; what it raises ends the run. Raises what `ModelStore.fetch`
        does, and GiveUp if the model is no pipeline that finds speakers.
        """
        torch.set_num_threads(self._settings.diarizer_threads)
        found = self._loaded()(
            {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE, "uri": "recording"},
            num_speakers=num_speakers,
            min_speakers=min_speakers,
            max_speakers=max_speakers,
            hook=partial(_heard, on_progress),
        )
        tracks = found.speaker_diarization.itertracks(yield_label=True)
        return [Turn(start=span.start, end=span.end, speaker=label) for span, _, label in tracks]

    def _loaded(self) -> Any:
        with self._loading:
            if self._pipeline is None:
                self._pipeline = self._load()
            return self._pipeline

    def _load(self) -> Any:
        pipeline = self._offline() if self.model == OFFLINE else self._named()
        pipeline.segmentation_batch_size = self._settings.diarizer_segmentation_batch
        pipeline.embedding_batch_size = self._settings.diarizer_embedding_batch
        return pipeline.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    def _offline(self) -> Any:
        pipeline = SpeakerDiarization(
            segmentation=str(self._store.fetch(SPEECH) / "pytorch_model.bin"),
            embedding=CamPlusPlus(self._store.fetch(VOICES)),
            embedding_exclude_overlap=True,
            plda=_NoPlda(),
            clustering="AgglomerativeClustering",
        )
        return pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": CLUSTERING})

    def _named(self) -> Any:
        folder = self._store.fetch(self.model)
        pipeline = Pipeline.from_pretrained(folder) if (folder / "config.yaml").is_file() else None
        if not isinstance(pipeline, SpeakerDiarization):
            raise GiveUp(
                f"'{self.model}' is no pyannote speaker diarization pipeline; set SCRIBE_DIARIZER_MODEL to one"
            )
        return pipeline


def _heard(
    on_progress: Callable[[float], None],
    leg: str,
    _artefact: object,
    *,
    file: object = None,  # noqa: ARG001 - pyannote decides how it calls a hook
    total: int | None = None,
    completed: int | None = None,
) -> None:
    """Tell how far the pipeline is, given that `completed` of a leg's `total` batches are done."""
    start, share = SHARES.get(leg, (1.0, 0.0))
    # The last batch of windows counts as a full one, so `completed` may end above `total`.
    done = min(1.0, completed / total) if total and completed is not None else 1.0
    on_progress(start + share * float(done))
