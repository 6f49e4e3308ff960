"""Finding speakers in real speech: the diarizer's engine, and where it started from."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pyannote.core import Annotation, Segment, Timeline
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate
from torch.nn.functional import interpolate

from services.diarizer.campplus import FILTERS, NAME, SHORTEST_FRAMES, CamPlusPlus
from services.diarizer.device import placed
from services.diarizer.engine import CLUSTERING, SPEECH, NoPlda, PyannoteEngine
from services.diarizer.pyannote_audio import SpeakerDiarization, fbank
from services.diarizer.settings import DiarizerSettings
from services.diarizer.stage import Samples
from shared.models import ModelStore
from shared.transcript import SAMPLE_RATE, Turn
from tests.bench.row import Measured
from tests.recordings import RATE, SAMPLE, samples

PAIRS = 3
GAP_SECONDS = 1.0
LENGTH_SECONDS = len(samples()) / RATE + GAP_SECONDS
CACHE = Path(".scribe/cache/models")

Find = Callable[[Samples], Sequence[Turn]]


class OneByOne(CamPlusPlus):
    """CAM++ on each voice of each window by itself, features and all: where the diarizer started from."""

    def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:  # type: ignore[override]  # as CAM++ has it
        """Return the voice, or raise ValueError if there are too few samples."""
        banks: torch.Tensor = fbank(waveforms[0] * 32768, num_mel_bins=FILTERS, sample_frequency=SAMPLE_RATE)
        if len(banks) < SHORTEST_FRAMES:
            raise ValueError("too few samples")
        if weights is not None:
            banks = banks[interpolate(weights[None], size=len(banks), mode="nearest")[0, 0] > 0.5]
        if len(banks) < SHORTEST_FRAMES:
            return banks.new_full((1, self.dimension), torch.nan)
        made: torch.Tensor = self.network((banks - banks.mean(dim=0))[None])
        return made


def starting_point(store: ModelStore, settings: DiarizerSettings) -> Find:
    """Return pyannote's pipeline over the same models: windows of 10 s each second, one embedding at a time."""
    pipeline: Any = SpeakerDiarization(
        segmentation=str(store.fetch(SPEECH) / "pytorch_model.bin"),
        segmentation_step=0.1,
        segmentation_batch_size=32,
        embedding=OneByOne(store.fetch(NAME)),
        embedding_exclude_overlap=True,
        embedding_batch_size=1,
        plda=NoPlda(),
        clustering="AgglomerativeClustering",
    )
    pipeline.instantiate({"segmentation": {"min_duration_off": 0.0}, "clustering": CLUSTERING})
    pipeline.to(placed(settings.diarizer_device))

    def find(recording: Samples) -> Sequence[Turn]:
        torch.set_num_threads(settings.diarizer_threads)
        found = pipeline({"waveform": torch.from_numpy(recording)[None], "sample_rate": SAMPLE_RATE, "uri": "r"})
        tracks = found.speaker_diarization.itertracks(yield_label=True)
        return [Turn(start=span.start, end=span.end, speaker=label) for span, _, label in tracks]

    return find


def ours(store: ModelStore, settings: DiarizerSettings) -> Find:
    """Return the diarizer's engine as it is shipped."""
    engine = PyannoteEngine(store, settings)

    def find(recording: Samples) -> Sequence[Turn]:
        heard = engine.listen(recording, lambda _: None)
        return engine.tell_apart(heard, num_speakers=None, min_speakers=None, max_speakers=None)

    return find


def recording(times: int) -> Samples:
    """Return the sample so many times over, a second of silence behind each."""
    gap = np.zeros(round(GAP_SECONDS * RATE), np.float32)
    return np.concatenate([each for _ in range(times) for each in (samples().astype(np.float32) / 32768, gap)])


def error(turns: Sequence[Turn], times: int) -> float:
    """Return the diarization error rate of the repeated sample, overlaps counted, no collar."""
    truth, found = Annotation(), Annotation()
    (once,) = load_rttm(SAMPLE.with_suffix(".rttm")).values()  # type: ignore[no-untyped-call]  # it has no annotations
    for turn in range(times):
        for span, track, label in once.itertracks(yield_label=True):
            start = turn * LENGTH_SECONDS
            truth[Segment(start + span.start, start + span.end), f"{turn} {track}"] = label
    for number, spoken in enumerate(turns):
        found[Segment(spoken.start, spoken.end), number] = spoken.speaker
    return float(DiarizationErrorRate()(truth, found, uem=Timeline([Segment(0, times * LENGTH_SECONDS)])))


def measure(times: int) -> Measured:
    """Return how many times faster than real time both are, on as many threads, with their errors."""
    store, settings = ModelStore(CACHE), DiarizerSettings()
    sides = {"ours": ours(store, settings), "peer": starting_point(store, settings)}
    for find in sides.values():  # loads the models, and warms up
        find(recording(1))
    measured, heard = Measured(), recording(times)
    for _ in range(PAIRS):
        rates: dict[str, float] = {}
        for side, find in sides.items():
            began = time.perf_counter()
            turns = find(heard)
            rates[side] = len(heard) / RATE / (time.perf_counter() - began)
            speakers = len({turn.speaker for turn in turns})
            measured.beside |= {f"DER {side}": round(error(turns, times), 4), f"speakers {side}": speakers}
        measured.add(rates["ours"], rates["peer"], rates["ours"] / rates["peer"])
    measured.beside |= {"audio": f"{len(heard) / RATE:.0f} s", "threads": settings.diarizer_threads}
    return measured
