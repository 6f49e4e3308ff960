"""Row 2: long recordings through the mesh against faster-whisper's batched pipeline in one process."""

from shared.topology import Stage
from tests.bench.gpu import Busy
from tests.bench.mesh import bench_mesh
from tests.bench.peer import Peer
from tests.bench.row import Measured, Row, Size
from tests.bench.speech import long
from tests.bench.sustained import Sustained
from tests.bench.words import compared, word_errors
from tests.recordings import RATE, samples

STAGES = (Stage.INTAKE, Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.ENHANCER)
BATCH = 16
"""Windows the peer decodes at once: what faster-whisper's own README shows; its default, 8, was no faster here."""


async def run(size: Size) -> Measured:
    """Return hours of audio per hour of both sides."""
    # A GPU is to be seen at work for an hour of audio; ten minutes are over in seconds there.
    count, seconds, pairs = (2, 120.0, 1) if size.small else (3, 1_200.0 if size.gpu else 600.0, 3)
    recordings, measured = long(size.home, count, seconds), Measured()
    audio = sum(len(samples(recording.path)) for recording in recordings) / RATE
    async with bench_mesh(size, STAGES) as bench, Peer(size.gpu) as peer:
        await bench.lay(recordings)
        errors = await word_errors(bench, size.home)
        await peer.transcribe(recordings[:1], batch=BATCH)
        sustained = Sustained(bench, Busy() if size.gpu else None)
        for _ in range(pairs):
            drained = await sustained.drain(recordings, word_timestamps=False)
            heard = await peer.transcribe(recordings, batch=BATCH)
            measured.add(audio / drained.seconds, audio / heard.seconds, heard.seconds / drained.seconds)
        with_words = await peer.transcribe(recordings, batch=BATCH, words=True)
        measured.beside = {
            "audio": f"{audio:.0f} s in {count} files, {pairs} times",
            "peer with times of words": f"{audio / with_words.seconds:.3g} h/h",
            **compared(recordings, await bench.texts(drained.jobs), heard.texts),
            **errors,
            **sustained.figures(audio * pairs),
        }
    return measured


ROW = Row(
    number=2,
    title="long recordings (10 minutes, 20 on a GPU) through intake, downloader, transcriber and enhancer, against "
    f"faster-whisper's batched pipeline (batches of {BATCH}, as many threads as cores) in one process; neither is "
    "asked for times of words or for speakers",
    ours="h of audio/h",
    peer="h of audio/h",
    must=0.97,
    aim=1.2,
    run=run,
)
