"""What the diarizer does about a GPU: that it is there, how exactly it computes, when it is full, when it is lost."""

import logging
import signal
import weakref
from typing import Any

import numpy as np
import pytest
import torch

from services.diarizer.device import placed
from services.diarizer.engine import PyannoteEngine
from services.diarizer.fitting import Fitting
from services.diarizer.settings import DiarizerSettings
from services.diarizer.stage import Samples
from shared.mesh.outcomes import TryLater
from shared.mesh.watchdog import end_this_process
from shared.models import ModelStore
from shared.settings import WrongSettings
from shared.transcript import SAMPLE_RATE

TOO_OLD = RuntimeError("The NVIDIA driver on your system is too old (found version 12020).")


@pytest.fixture
def old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have torch answer as on a machine whose driver is too old for it."""

    def refuse(*_: Any, **__: Any) -> None:
        raise TOO_OLD

    monkeypatch.setattr(torch, "ones", refuse)
    monkeypatch.setattr(torch.version, "cuda", "13.0")


@pytest.fixture(scope="module")
def engine(model_store: ModelStore) -> PyannoteEngine:
    """The real pipeline, loaded once, on the CPU; a GPU that is lost ends the process."""
    return PyannoteEngine(model_store, DiarizerSettings(diarizer_device="cpu"), end_this_process)


@pytest.fixture
def samples(pcm: bytes) -> Samples:
    """The sample's first twelve seconds."""
    return (np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768))[: 12 * SAMPLE_RATE]


@pytest.mark.usefixtures("old_driver")
def test_a_gpu_that_is_asked_for_and_cannot_be_used_ends_the_start(model_store: ModelStore) -> None:
    """The message names the setting, torch and its CUDA, what torch said, and what to do."""
    with pytest.raises(WrongSettings) as ended:
        PyannoteEngine(model_store, DiarizerSettings(diarizer_device="cuda"))
    for told in ("SCRIBE_DIARIZER_DEVICE", f"torch {torch.__version__}", "CUDA 13.0", str(TOO_OLD), "use 'auto'"):
        assert told in str(ended.value)


@pytest.mark.usefixtures("old_driver")
def test_a_gpu_that_cannot_be_used_is_no_secret_if_none_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """The CPU does it, with a warning that says why; if the CPU is asked for, nothing is said."""
    assert placed("cpu") == torch.device("cpu")
    assert _said(caplog) == []
    assert placed("auto") == torch.device("cpu")
    assert [(each.levelno, str(TOO_OLD) in each.getMessage()) for each in _said(caplog)] == [(logging.WARNING, True)]


def _said(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.name.startswith("services.")]


def test_a_loaded_pipeline_computes_in_full_float32(model_store: ModelStore, recwarn: pytest.WarningsRecorder) -> None:
    """Whatever was allowed before, neither matrix products nor cuDNN use TF32, and PyTorch warns of nothing."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    PyannoteEngine(model_store, DiarizerSettings()).listen(np.zeros(SAMPLE_RATE, np.float32), lambda _: None)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    # What an earlier test left open is warned of whenever Python's collector comes by.
    assert [str(each.message) for each in recwarn if not issubclass(each.category, ResourceWarning)] == []


def test_what_does_not_fit_into_memory_is_begun_again_with_half_and_stays_so() -> None:
    """All widths are halved, down to 1, for the work at hand and for all that follows."""
    fitting, tried = Fitting(16, 3), list[tuple[int, int]]()

    def work(windows: int, voices: int) -> str:
        tried.append((windows, voices))
        if windows > 4:
            raise torch.OutOfMemoryError
        return "heard"

    assert fitting.run(work) == fitting.run(work) == "heard"
    assert tried == [(16, 3), (8, 1), (4, 1), (4, 1)]


def test_what_does_not_fit_even_by_itself_is_tried_later() -> None:
    """Only at widths of 1, and the reason is what torch said."""

    def work(*_: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB")

    with pytest.raises(TryLater, match=r"memory is full: CUDA out of memory\. Tried to allocate 20 MiB"):
        Fitting(2, 1).run(work)


def test_memory_is_given_back_once_nothing_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure and after a success alike, the cache is emptied when no tensor of the work is left."""
    made, alive = list[weakref.ref[torch.Tensor]](), list[bool]()

    def work(width: int) -> int:
        batch = torch.ones(width)
        made.append(weakref.ref(batch))
        if width > 1:
            raise torch.OutOfMemoryError
        return width

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: alive.append(made[-1]() is not None))
    assert Fitting(2).run(work) == 1
    assert alive == [False, False]


def test_a_piece_that_does_not_fit_is_heard_all_the_same(
    engine: PyannoteEngine, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that runs out of memory once hears, in smaller batches, what it would have heard."""
    whole = engine.listen(samples, lambda _: None)
    network, batches = engine._pipeline._segmentation.model, list[int]()
    forward = network.forward

    def crowded(stretch: torch.Tensor) -> Any:
        batches.append(stretch.shape[-1])
        if len(batches) == 1:
            raise torch.OutOfMemoryError
        return forward(stretch)

    monkeypatch.setattr(network, "forward", crowded)
    monkeypatch.setattr(engine, "_fitting", Fitting(2, 32))
    again = engine.listen(samples, lambda _: None)
    assert [each // SAMPLE_RATE for each in batches] == [11, 10, 10, 10]
    assert np.array_equal(again.active, whole.active)
    assert np.allclose(again.voices, whole.voices, atol=0.1, equal_nan=True)


def test_a_gpu_that_is_lost_ends_the_process_in_order(
    engine: PyannoteEngine, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA fails for the rest of the process: it is told to end, and the step fails like any other."""
    ended = list[int]()
    monkeypatch.setattr(engine, "_fitting", Lost())
    before = signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    try:
        with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
            engine.listen(samples, lambda _: None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == [signal.SIGTERM]


class Lost:
    """Stands for work that a GPU answers with an error."""

    def run(self, _: Any) -> None:
        """Raise what torch does."""
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
