"""Clustering with a bound: below it nothing changes, above it the speakers stay who they are."""

from typing import Any

import numpy as np
import pytest
from pyannote.core import Annotation, Segment, SlidingWindow, SlidingWindowFeature, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate
from scipy.cluster.hierarchy import linkage

from services.diarizer import clustering
from services.diarizer.engine import CLUSTERING, PyannoteEngine
from services.diarizer.heard import Heard
from services.diarizer.settings import DiarizerSettings
from shared.models import ModelStore

# Only now, as the engine's imports make pyannote.audio importable.
import pyannote.audio.pipelines.clustering as pyannote  # isort: skip

PEOPLE, WINDOWS = 3, 600


class Plain:
    """A PLDA that changes nothing but the scale."""

    phi = np.full(PEOPLE, 2.0)

    def __call__(self, voices: np.ndarray) -> np.ndarray:
        """Return the voices, far from each other."""
        return voices * 10


def agglomerative() -> Any:
    """Return the clustering of the offline pipeline."""
    return pyannote.AgglomerativeClustering().instantiate(CLUSTERING)


def vbx() -> Any:
    """Return the clustering of pipelines such as community-1."""
    plain: Any = Plain()
    return pyannote.VBxClustering(plain).instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8})


@pytest.fixture
def clustered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many voices were clustered each time."""
    numbers = list[int]()

    def counted(voices: np.ndarray, **how: Any) -> Any:
        numbers.append(len(voices))
        return linkage(voices, **how)

    monkeypatch.setattr(pyannote, "linkage", counted)
    return numbers


def told_apart(kind: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return who speaks in the first two places of each window, and the cluster of each there.

    Two of three people speak in each window, and take turns in the places.
    """
    rng, who = np.random.default_rng(1), (np.arange(WINDOWS)[:, None] // 20 + [0, 1]) % PEOPLE
    active = np.zeros((WINDOWS, 10, 3), np.float32)
    active[:, :5, 0] = active[:, 5:, 1] = 1
    voices = np.full((WINDOWS, 3, PEOPLE), np.nan, np.float32)
    voices[:, :2] = np.eye(PEOPLE)[who] + 0.02 * rng.standard_normal((WINDOWS, 2, PEOPLE))
    windows = SlidingWindowFeature(active, SlidingWindow(start=0, duration=10, step=1))
    clusters, _, _ = kind(embeddings=voices, segmentations=windows, min_clusters=1, max_clusters=np.inf)
    return who, clusters[:, :2]


@pytest.mark.parametrize("kind", [agglomerative, vbx])
def test_below_the_bound_nothing_changes(kind: Any, clustered: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """As many voices as the bound are all clustered, and the result is pyannote's own."""
    monkeypatch.setattr(clustering, "MOST", 2 * WINDOWS)
    bounded = kind()
    clustering.bound(bounded)
    assert np.array_equal(told_apart(bounded)[1], told_apart(kind())[1])
    assert clustered == [2 * WINDOWS] * 2


@pytest.mark.parametrize("kind", [agglomerative, vbx])
def test_above_the_bound_everybody_is_still_told_apart(
    kind: Any, clustered: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more voices than the bound are clustered, and each has the cluster of its speaker and of nobody else."""
    monkeypatch.setattr(clustering, "MOST", 2 * WINDOWS // 9)
    bounded = kind()
    clustering.bound(bounded)
    who, clusters = told_apart(bounded)
    assert len({*zip(who.ravel(), clusters.ravel(), strict=True)}) == len(set(clusters.ravel())) == PEOPLE
    assert 0 < clustered[0] <= clustering.MOST
    assert len(clustered) == 1


def test_a_long_recording_keeps_its_speakers(
    model_store: ModelStore, pcm: bytes, clustered: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real speech clustered by a third of its voices has the two speakers that it has by all, where they are by all."""
    engine = PyannoteEngine(model_store, DiarizerSettings())
    heard = engine.listen(np.frombuffer(pcm * 3, "<i2").astype(np.float32) / np.float32(32768), lambda _: None)
    by_all = turns(engine, heard)
    monkeypatch.setattr(clustering, "MOST", clustered[0] // 3)
    by_some = turns(engine, heard)
    assert clustered[1] <= clustered[0] // 3
    assert len(by_all.labels()) == len(by_some.labels()) == 2
    assert DiarizationErrorRate()(by_all, by_some, uem=Timeline([Segment(0, 90)])) < 0.02


def turns(engine: PyannoteEngine, heard: Heard) -> Annotation:
    """Return who speaks when, with no bounds asked for."""
    found = Annotation()
    for number, turn in enumerate(engine.tell_apart(heard, num_speakers=None, min_speakers=None, max_speakers=None)):
        found[Segment(turn.start, turn.end), number] = turn.speaker
    return found
