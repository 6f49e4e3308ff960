"""How busy a machine's GPUs are while something runs, as NVIDIA's management library (NVML) counts it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from importlib import import_module
from typing import Self

PERIOD = 0.25
"""Seconds between two samples; each is of the last sixth of a second to second (NVML, `nvmlUtilization_t`)."""

Sample = Callable[[], Sequence[float]]
"""What tells for how much of the time just past each GPU had something to do: 0 to 100."""


@contextmanager
def nvml() -> Iterator[Sample]:
    """Yield what samples every GPU; raise the library's own NVMLError if it cannot."""
    library = import_module("pynvml")
    library.nvmlInit()
    try:
        gpus = [library.nvmlDeviceGetHandleByIndex(number) for number in range(library.nvmlDeviceGetCount())]
        yield lambda: [library.nvmlDeviceGetUtilizationRates(gpu).gpu for gpu in gpus]
    finally:
        library.nvmlShutdown()


class Busy:
    """The GPUs' busy shares, sampled inside each `async with`, whose end raises what a sample raised."""

    def __init__(self, opened: Callable[[], AbstractContextManager[Sample]] = nvml, period: float = PERIOD) -> None:
        self._opened, self._period = opened, period
        self.samples = list[Sequence[float]]()

    async def __aenter__(self) -> Self:
        self._ended, self._open = asyncio.Event(), ExitStack()
        self._sampling = asyncio.create_task(self._run(self._open.enter_context(self._opened())))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        with self._open:
            await self._sampling

    @property
    def share(self) -> float:
        """The busiest GPU's share of the time, 0 to 1: the others are not the one that the model is on."""
        busiest: float = max(sum(shares) for shares in zip(*self.samples, strict=True))
        return busiest / len(self.samples) / 100

    async def _run(self, sample: Sample) -> None:
        while True:
            self.samples.append(await asyncio.to_thread(sample))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), self._period)
                return
