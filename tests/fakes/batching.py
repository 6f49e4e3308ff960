"""Windows that are known by name, and a decoder that does with their batches as it is told."""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from services.transcriber.batching import Batcher
from services.transcriber.doubt import Doubt
from services.transcriber.speech import Window
from shared.topology import Lane
from shared.transcript import Segment
from tests.fakes.jobs import new_job

OPTIONS = new_job().job.options


@dataclass(frozen=True, eq=False)
class Named:
    """A window that is known by its job's name."""

    window: Window
    kind: Hashable = "usual"
    per_whole: int = 1

    def whole(self) -> "Named | None":
        """Return a trimmed window as a whole one."""
        return replace(self, kind="whole") if self.kind == "trimmed" else None


def named(job: str, lane: Lane = Lane.NORMAL, kind: Hashable = "usual") -> Named:
    """Return a window of a job."""
    return Named(Window(np.zeros(16_000, np.float32), "en", "model", OPTIONS, lane, job), kind)


def said(job: str) -> tuple[Segment, ...]:
    """Return what is said in the window of a job."""
    return (Segment(start=0.0, end=1.0, text=job),)


@dataclass
class Scripted:
    """Keeps the batches it is given, and does with each what `script` says before it answers with the jobs' names."""

    script: Callable[[list[str]], object] = lambda _: None
    doubtful: set[str] = field(default_factory=set)
    batches: list[list[str]] = field(default_factory=list)
    again: list[str] = field(default_factory=list)

    def together(self, batch: Sequence[Named]) -> list[tuple[Segment, ...] | Doubt]:
        """Return the names, and a doubt about those that are doubtful."""
        jobs = [ready.window.job for ready in batch]
        self.batches.append(jobs)
        self.script(jobs)
        return [Doubt("loop") if job in self.doubtful else said(job) for job in jobs]

    def alone(self, ready: Named) -> tuple[Segment, ...]:
        """Return the name in capitals."""
        self.again.append(ready.window.job)
        return said(ready.window.job.upper())


class Held:
    """Holds every batch until `go` is set, and says when the first one runs."""

    def __init__(self) -> None:
        self.running, self.go = asyncio.Event(), threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, _: list[str]) -> None:
        """Hold a batch."""
        self._loop.call_soon_threadsafe(self.running.set)
        self.go.wait(60)


async def asked(batcher: Batcher[Named], *windows: Named) -> list[tuple[Segment, ...] | BaseException]:
    """Return what becomes of windows that are asked for at once."""
    async with asyncio.timeout(60):
        return await asyncio.gather(*map(batcher.decode, windows), return_exceptions=True)
