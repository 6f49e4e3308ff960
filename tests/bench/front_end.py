"""Row 9: whether anything but the front end and the engine bounds the mesh, with an engine of a thousand real times."""

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.local.commands import ROOT
from shared.cores import cores
from shared.topology import Stage
from tests.bench.client import TENANT
from tests.bench.mesh import bench_mesh
from tests.bench.mp3 import mp3
from tests.bench.row import Measured, Row, Size
from tests.bench.sleeper import COMMANDS, SPEED
from tests.bench.speech import Recording, long

STAGES = (Stage.INTAKE, Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.ENHANCER)


class Bare:
    """The front end without a mesh, in as many processes as there are cores."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes

    async def prepare(self, keys: Sequence[str]) -> tuple[float, float]:
        """Return the seconds, and the core-seconds, that it takes to prepare the uploads."""
        clock = asyncio.get_running_loop().time
        began = clock()
        shares = [keys[first :: len(self._processes)] for first in range(len(self._processes))]
        said = await asyncio.gather(*map(_ask, self._processes, shares))
        return clock() - began, sum(each["core_seconds"] for each in said)


async def _ask(process: Process, keys: Sequence[str]) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(json.dumps(list(keys)).encode() + b"\n")
    return await _said(process)


async def _said(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    return dict(json.loads(await process.stdout.readline()))


@asynccontextmanager
async def bare(blobs_url: str, folder: Path) -> AsyncIterator[Bare]:
    """Yield the bare front end on a store, ready."""
    # Sessions of their own, as the mesh's processes have: a busy machine's scheduler shares the cores among sessions.
    words = (sys.executable, "-m", "tests.bench.front_desk", blobs_url, str(folder))
    processes = [
        await create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, cwd=ROOT, start_new_session=True)
        for _ in range(cores())
    ]
    try:
        for process in processes:
            await _said(process)
        yield Bare(processes)
    finally:
        for process in processes:
            await process.communicate(b"")


async def run(size: Size) -> Measured:
    """Return hours of audio per hour: the mesh's, and the lesser of the engine's and the bare front end's.

    There are so many recordings because the engine ends the last ones when the front end has nothing more to do.
    """
    count, seconds, pairs = (2, 60.0, 1) if size.small else (36, 600.0, 3)
    recordings, measured, costs = _copies(size.home, count, seconds), Measured(), list[float]()
    keys, audio = [f"uploads/{TENANT}/{each.path.name}" for each in recordings], count * seconds
    async with bench_mesh(size, STAGES, scale={Stage.DOWNLOADER: cores()}, commands=COMMANDS) as bench:
        await bench.lay(recordings)
        async with bare(bench.mesh.environment["SCRIBE_BLOBS_URL"], size.home / "bare") as front_end:
            await bench.drain(recordings[: cores()])
            for _ in range(pairs):
                drained = await bench.drain(recordings)
                took, core_seconds = await front_end.prepare(keys)
                bound = min(SPEED, audio / took)
                measured.add(audio / drained.seconds, bound, audio / drained.seconds / bound)
                costs.append(core_seconds / audio * 3_600)
    measured.beside = {
        "jobs": f"{count} of {seconds:g} s of mp3, {pairs} times",
        "front end's core-s per hour of audio": [round(cost, 2) for cost in costs],
        "cores ÷ cost, with all cores its own": [round(cores() * 3_600 / cost) for cost in costs],
    }
    return measured


def _copies(folder: Path, count: int, seconds: float) -> list[Recording]:
    """Return so many recordings, each a file of its own."""
    made = long(folder, 1, seconds)[0]
    whole = mp3(made.path)
    return [Recording(Path(shutil.copy(whole, folder / f"talk-{number}.mp3")), made.words) for number in range(count)]


ROW = Row(
    number=9,
    title="with a stub engine at 1000 × real time and the real front end: the mesh against the lesser of the engine "
    "and of the bare front end on all cores",
    ours="audio-h/h",
    peer="audio-h/h",
    must=0.9,
    aim=0.97,
    run=run,
)
