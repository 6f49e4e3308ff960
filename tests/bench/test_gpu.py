"""What the bench says of a GPU, with a GPU that says what it is told, and with none."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ctranslate2
import pytest

from deploy.local.faults import CannotRun
from shared import cublas
from shared.models import ModelStore
from shared.topology import Stage
from tests.bench import __main__ as bench
from tests.bench import whisper
from tests.bench.client import Drained
from tests.bench.gpu import Busy, Sample, nvml
from tests.bench.sustained import Sustained


class Gpus:
    """Two of which only the second is at work, half of the time; `enough` is set after four samples."""

    def __init__(self) -> None:
        self.enough, self.open = asyncio.Event(), False
        self._loop, self._samples = asyncio.get_running_loop(), 0

    def sample(self) -> Sequence[float]:
        """Return the shares."""
        self._samples += 1
        if self._samples == 4:
            self._loop.call_soon_threadsafe(self.enough.set)
        return [0, 100 * (self._samples % 2)]

    @contextmanager
    def __call__(self) -> Iterator[Sample]:
        """Yield the sampler."""
        self.open = True
        yield self.sample
        self.open = False


async def test_the_busy_share_is_that_of_the_gpu_that_works() -> None:
    """The mean of all samples taken inside the block, of the busiest; what sampled is closed at the end."""
    gpus = Gpus()
    busy = Busy(gpus, period=0.001)
    async with asyncio.timeout(60), busy:
        await gpus.enough.wait()
    taken = len(busy.samples)
    assert busy.share == pytest.approx(sum(second for _, second in busy.samples) / taken / 100)
    assert 0.4 < busy.share < 0.7
    assert not gpus.open


async def test_a_gpu_that_cannot_be_sampled_is_an_error() -> None:
    """No figure is shown that was not measured."""

    @contextmanager
    def broken() -> Iterator[Sample]:
        def sample() -> Sequence[float]:
            raise OSError("fallen off the bus")

        yield sample

    with pytest.raises(OSError, match="fallen off"):
        async with Busy(broken):
            pass


def test_nvidias_library_is_opened_asked_of_every_gpu_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls are those of nvidia-ml-py."""
    asked: list[str] = []
    library = SimpleNamespace(
        nvmlInit=lambda: asked.append("init"),
        nvmlDeviceGetCount=lambda: 2,
        nvmlDeviceGetHandleByIndex=lambda number: f"gpu {number}",
        nvmlDeviceGetUtilizationRates=lambda gpu: SimpleNamespace(gpu=int(gpu[-1]) * 30, memory=99),
        nvmlShutdown=lambda: asked.append("shutdown"),
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    with nvml() as sample:
        assert sample() == [0, 30]
    assert asked == ["init", "shutdown"]


class Mesh:
    """Drains in two seconds, three of them inside the model: on two streams."""

    inside = 7.0

    async def drain(self, recordings: Sequence[Any], **_: Any) -> Drained:
        """Drain."""
        del recordings
        self.inside += 3.0
        return Drained([], 2.0)

    async def counted(self, stage: Stage, metric: str) -> float:
        """Return the seconds inside the model."""
        assert (stage, metric) == (Stage.TRANSCRIBER, "scribe_engine_seconds_total")
        return self.inside


async def test_what_is_sustained_is_over_all_turns() -> None:
    """An hour of audio in two turns of two seconds; without a GPU nothing is said of one."""
    told = {}
    for gpus in (None, Busy(Gpus(), period=0.001)):
        sustained = Sustained(Mesh(), gpus)
        for _ in range(2):
            await sustained.drain([])
        told = sustained.figures(3_600.0)
        assert told["sustained RTFx"] == "900, over 3600 s of audio"
        assert told["streams inside the model"] == "1.50"
        assert ("GPU busy" in told) == (gpus is not None)
    assert told["GPU busy"] == "50.0% of the time, 2 samples"


def test_without_a_gpu_the_bench_says_what_is_missing_and_measures_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each thing by name, with where it comes from, in one line and before the first row."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    monkeypatch.setattr(whisper, "LIBRARIES", {"libnone.so.1": "nowhere", "libc.so.6": "the system"})
    monkeypatch.setattr(cublas, "load", lambda: "libcublas.so.12: no such file")
    monkeypatch.setattr(whisper, "MODULE", "no_such_module")
    monkeypatch.setattr(bench, "measured", lambda *_: pytest.fail("a row was run"))
    with pytest.raises(CannotRun) as told:
        bench.main(small=True, gpu=True, only=set())
    said = str(told.value)
    assert "CUDA device" in said
    assert "libnone.so.1 (nowhere)" in said
    assert f"libcublas.so.12: no such file ({cublas.REMEDY})" in said
    assert "nvidia-ml-py" in said
    assert "libc.so.6" not in said
    assert "\n" not in said


def test_a_model_that_no_source_gives_is_named_before_the_first_row(tmp_path: Path) -> None:
    """With what was tried and what to type, instead of a mesh that waits for its transcriber until the time is up."""
    with pytest.raises(CannotRun, match=r"large-v3-turbo.*scribe models pull"):
        whisper.fetch(gpu=True, models=ModelStore(tmp_path, sources=()))


def test_where_nothing_is_missing_models_run_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """And on the processor nothing of it is asked for."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(whisper, "LIBRARIES", {"libc.so.6": "the system"})
    monkeypatch.setattr(cublas, "load", lambda: None)
    monkeypatch.setattr(whisper, "MODULE", "json")
    assert whisper.device(gpu=True) == "cuda"
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: pytest.fail("a GPU was looked for"))
    assert whisper.device(gpu=False) == "cpu"
