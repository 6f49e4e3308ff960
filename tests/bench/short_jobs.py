"""Row 3: many short jobs through the mesh against faster-whisper as its users call it, one file after the other."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from statistics import median

from shared.topology import Stage
from tests.bench.client import Bench, Drained
from tests.bench.mesh import bench_mesh
from tests.bench.peer import Heard, Peer
from tests.bench.row import Measured, Row, Size
from tests.bench.speech import Recording, short
from tests.bench.words import compared, word_errors

STAGES = (Stage.INTAKE, Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.ENHANCER)
LIBRARY_DEFAULT = 0
"""The threads that faster-whisper's users get who name none."""

WHOLE = {"SCRIBE_TRANSCRIBER_SLACK": "30"}
"""Lets a model see its full 30 s of every window, however short: what trimming must not be worse than in words."""


@dataclass(frozen=True)
class Round:
    """What came of one drain of each mesh, and of one turn of each peer, over the same recordings."""

    ours: list[Drained]
    heard: list[Heard]

    @classmethod
    async def of(cls, meshes: Sequence[Bench], peers: Sequence[Peer], recordings: Sequence[Recording]) -> "Round":
        """Return what comes of the recordings, each side by itself, one after the other."""
        ours = [await mesh.drain(recordings, word_timestamps=False) for mesh in meshes]
        return cls(ours, [await peer.transcribe(recordings) for peer in peers])


async def run(size: Size) -> Measured:
    """Return jobs per second of both sides; at full size a second mesh, which trims nothing, has its turn."""
    count, pairs = (6, 1) if size.small else (48, 3)
    recordings = short(size.home, count)
    async with _meshes(size) as meshes, Peer(size.gpu, LIBRARY_DEFAULT) as usual, Peer(size.gpu) as all_cores:
        for mesh in meshes:
            await mesh.lay(recordings)
        await Round.of(meshes, (usual, all_cores), recordings[:2])
        rounds = [await Round.of(meshes, (usual, all_cores), recordings) for _ in range(pairs)]
        with_words = await usual.transcribe(recordings, words=True)
        measured, fast = _pairs(rounds, count), _pairs(rounds, count, peer=1)
        measured.beside = {
            "jobs": f"{count}, {pairs} times",
            "peer with times of words": f"{count / with_words.seconds:.3g} jobs/s",
            "peer with as many threads as cores": _figures(fast.peer, fast.ratios),
            **await _words(meshes[0], recordings, rounds[-1], size),
        }
        if meshes[1:]:
            whole, told = _pairs(rounds, count, mesh=1), await _words(meshes[1], recordings, rounds[-1], size, mesh=1)
            measured.beside["whole windows"] = _figures(whole.ours, whole.ratios)
            measured.beside |= {f"{name}, whole windows": rate for name, rate in told.items()}
    return measured


@asynccontextmanager
async def _meshes(size: Size) -> AsyncIterator[list[Bench]]:
    """Yield the mesh as it is by default; at full size also one that trims nothing; one rests while the other works."""
    async with AsyncExitStack() as opened:
        meshes = [await opened.enter_async_context(bench_mesh(size, STAGES))]
        if not size.small:
            (home := size.home / "whole").mkdir()
            second = bench_mesh(replace(size, home=home), STAGES, environment=WHOLE)
            meshes.append(await opened.enter_async_context(second))
        yield meshes


def _pairs(rounds: Sequence[Round], count: int, mesh: int = 0, peer: int = 0) -> Measured:
    """Return the jobs per second of one mesh and one peer, round by round."""
    measured = Measured()
    for each in rounds:
        ours, heard = each.ours[mesh].seconds, each.heard[peer].seconds
        measured.add(count / ours, count / heard, heard / ours)
    return measured


async def _words(
    bench: Bench, recordings: Sequence[Recording], last: Round, size: Size, mesh: int = 0
) -> dict[str, str]:
    """Return the mesh's word error rates: on what was timed, beside the usual peer's, and on the sample."""
    texts = await bench.texts(last.ours[mesh].jobs)
    return {**compared(recordings, texts, last.heard[0].texts), **await word_errors(bench, size.home)}


def _figures(rates: Sequence[float], ratios: Sequence[float]) -> str:
    return f"{median(rates):.3g} jobs/s, ratio {median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})"


ROW = Row(
    number=3,
    title="short jobs (4 to 10 s) through intake, downloader, transcriber and enhancer, against faster-whisper with "
    "the library's defaults, one file after the other in one process; neither is asked for times of words",
    ours="jobs/s",
    peer="jobs/s",
    must=3.0,
    aim=5.0,
    run=run,
    quick=True,
)
