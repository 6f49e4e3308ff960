"""Row 1: how much of the time in which there is work for it the transcriber spends inside the model."""

from shared.topology import Stage
from tests.bench.mesh import bench_mesh
from tests.bench.row import Measured, Row, Size
from tests.bench.spans import span, union
from tests.bench.speech import long
from tests.bench.words import word_errors

INSIDE = "scribe_engine_seconds_total"
STREAMS = "scribe_engine_streams"


async def run(size: Size) -> Measured:
    """Return the seconds inside the model, per stream, and those from the first step's start to the last one's end."""
    count, seconds, times = (3, 30.0, 1) if size.small else (12, 60.0, 3)
    recordings, measured, worked = long(size.home, count, seconds), Measured(), []
    async with bench_mesh(size, list(Stage)) as bench:
        await bench.lay(recordings)
        errors = await word_errors(bench, size.home)
        for _ in range(times):
            before = await bench.counted(Stage.TRANSCRIBER, INSIDE)
            drained = await bench.drain(recordings, diarize=True)
            after = await bench.counted(Stage.TRANSCRIBER, INSIDE)
            steps = await bench.steps(drained.jobs, Stage.TRANSCRIBER)
            inside, lasted = (after - before) / await bench.counted(Stage.TRANSCRIBER, STREAMS), span(steps)
            measured.add(inside, lasted, inside / lasted)
            worked.append(union(steps) / lasted)
        measured.beside = {
            "jobs": f"{count} of {seconds:.0f} s, {times} times",
            "share with a step at work": f"{min(worked):.3f} to {max(worked):.3f}",
            **errors,
        }
    return measured


ROW = Row(
    number=1,
    title="transcriber busy: seconds inside the model, per stream, out of those from its first step's start to its "
    "last step's end; jobs of 60 s with speakers, all six stages, database, heartbeats",
    ours="s inside the model",
    peer="s",
    must=0.95,
    aim=0.99,
    run=run,
    quick=True,
)
