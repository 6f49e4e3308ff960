"""What the mesh keeps up over all turns of a row: how fast it hears, and how busy that keeps the model and a GPU."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol

from shared.topology import Stage
from tests.bench.client import Drained
from tests.bench.gpu import Busy
from tests.bench.speech import Recording

INSIDE = "scribe_engine_seconds_total"


class Drains(Protocol):
    """What is asked of the mesh's client."""

    async def drain(self, recordings: Sequence[Recording], **options: Any) -> Drained:
        """Submit a job for each recording and return when all have completed."""

    async def counted(self, stage: Stage, metric: str) -> float:
        """Return what the stage's processes have counted since they started."""


class Sustained:
    """Drains the mesh and adds up the seconds: all of them, and those inside the model; `gpus` watches if there are."""

    def __init__(self, bench: Drains, gpus: Busy | None) -> None:
        self._bench, self._gpus = bench, gpus
        self._seconds = self._inside = 0.0

    async def drain(self, recordings: Sequence[Recording], **options: Any) -> Drained:
        """Take one turn."""
        before = await self._bench.counted(Stage.TRANSCRIBER, INSIDE)
        async with self._gpus or nullcontext():
            drained = await self._bench.drain(recordings, **options)
        self._inside += await self._bench.counted(Stage.TRANSCRIBER, INSIDE) - before
        self._seconds += drained.seconds
        return drained

    def figures(self, audio: float) -> dict[str, str]:
        """Return what is shown, for so many seconds of audio in all turns."""
        shown = {
            "sustained RTFx": f"{audio / self._seconds:.3g}, over {audio:.0f} s of audio",
            "streams inside the model": f"{self._inside / self._seconds:.2f}",
        }
        if self._gpus:
            shown["GPU busy"] = f"{self._gpus.share:.1%} of the time, {len(self._gpus.samples)} samples"
        return shown
