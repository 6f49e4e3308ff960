"""Row 3: many short jobs through the mesh against faster-whisper as its users call it, one file after the other."""

from shared.topology import Stage
from tests.bench.mesh import bench_mesh
from tests.bench.peer import Peer
from tests.bench.row import Measured, Row, Size
from tests.bench.speech import short
from tests.bench.words import compared, word_errors

STAGES = (Stage.INTAKE, Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.ENHANCER)
LIBRARY_DEFAULT = 0
"""The threads that faster-whisper's users get who name none."""


async def run(size: Size) -> Measured:
    """Return jobs per second of both sides."""
    count, pairs = (6, 1) if size.small else (48, 3)
    recordings, measured = short(size.home, count), Measured()
    async with bench_mesh(size, STAGES) as bench, Peer(size.gpu, LIBRARY_DEFAULT) as peer:
        await bench.lay(recordings)
        await bench.drain(recordings[:2])
        await peer.transcribe(recordings[:1])
        for _ in range(pairs):
            drained = await bench.drain(recordings, word_timestamps=False)
            heard = await peer.transcribe(recordings)
            measured.add(count / drained.seconds, count / heard.seconds, heard.seconds / drained.seconds)
        with_words = await peer.transcribe(recordings, words=True)
        measured.beside = {
            "jobs": f"{count}, {pairs} times",
            "peer with times of words": f"{count / with_words.seconds:.3g} jobs/s",
            **compared(recordings, await bench.texts(drained.jobs), heard.texts),
            **await word_errors(bench, size.home),
        }
    return measured


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
