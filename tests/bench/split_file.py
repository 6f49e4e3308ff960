"""Row 7: one long recording on two transcriber processes against one."""

from deploy.local.runner import GRACE
from shared.topology import Stage
from shared.transcript import Prepared
from tests.bench.client import Bench, Drained
from tests.bench.mesh import bench_mesh
from tests.bench.peer import Peer
from tests.bench.row import Measured, Row, Size
from tests.bench.spans import bounds
from tests.bench.speech import Recording, long
from tests.bench.words import word_errors
from tests.quality import wer

STAGES = (Stage.INTAKE, Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.ENHANCER)
ONE_CORE = {"SCRIBE_TRANSCRIBER_STREAMS": "1", "SCRIBE_TRANSCRIBER_THREADS": "1"}
"""What makes one process take one core, so that two of them have two."""

BATCH = 8


async def run(size: Size) -> Measured:
    """Return the seconds of the whole job on two processes and on one."""
    seconds, pairs = (180.0, 1) if size.small else (3_600.0 if size.alone else 1_200.0, 3)
    (recording,), measured, legs = long(size.home, 1, seconds), Measured(), []
    environment = ONE_CORE | ({"SCRIBE_CHUNK_SECONDS": "30"} if size.small else {})
    async with bench_mesh(size, STAGES, scale={Stage.TRANSCRIBER: 2}, environment=environment) as bench:
        await bench.lay([recording])
        errors = await word_errors(bench, size.home)
        for _ in range(pairs):
            two, one = await bench.drain([recording]), await _on_one(bench, recording)
            measured.add(two.seconds, one.seconds, one.seconds / two.seconds)
            legs.append(await _leg(bench, one) / await _leg(bench, two))
        measured.beside = {
            "recording": f"{seconds:.0f} s, {pairs} times",
            "ratio of the transcriber's leg alone": f"{min(legs):.3g} to {max(legs):.3g}",
            **await _differences(bench, two, recording, gpu=size.gpu),
            **errors,
        }
    return measured


async def _on_one(bench: Bench, recording: Recording) -> Drained:
    """Return the job done while one of the two processes is stopped."""
    second = bench.mesh.keepers[Stage.TRANSCRIBER][1]
    await second.stop(GRACE)
    drained = await bench.drain([recording])
    bench.lines.ready.pop(second.name)
    second.start()
    await bench.lines.until_ready([second.name])
    return drained


async def _leg(bench: Bench, drained: Drained) -> float:
    start, end = bounds(await bench.steps(drained.jobs, Stage.TRANSCRIBER))
    return end - start


async def _differences(bench: Bench, drained: Drained, recording: Recording, *, gpu: bool) -> dict[str, str]:
    """Return how far the text is from that of faster-whisper given the whole recording and the same windows."""
    job = await bench.store.find(drained.jobs[0])
    (prepared,) = (await bench.store.outputs(job, [Stage.DOWNLOADER]))[Stage.DOWNLOADER]
    assert isinstance(prepared, Prepared)
    clips = [window.model_dump() for chunk in prepared.chunks for window in chunk.windows]
    async with Peer(gpu) as peer:
        heard = await peer.transcribe([recording], batch=BATCH, clips=clips)
    texts = await bench.texts(drained.jobs)
    return {
        "words that differ from the unsplit text": f"{100 * wer(heard.texts, texts):.2f} points",
        "WER, as timed": f"{wer([recording.words], texts):.3f}",
        "WER, unsplit": f"{wer([recording.words], heard.texts):.3f}",
    }


ROW = Row(
    number=7,
    title="one recording (an hour if the row is asked for by itself, else 20 minutes) from submission to completion on "
    "two transcriber processes of one thread each against one of them",
    ours="s on two",
    peer="s on one",
    must=1.8,
    aim=1.95,
    run=run,
)
