"""Row 1: how much of the time in which there is work for it the transcriber spends inside the model."""

from shared.topology import Stage
from tests.bench.calls import COMMANDS, calls
from tests.bench.mesh import bench_mesh
from tests.bench.row import Measured, Row, Size
from tests.bench.spans import bounds
from tests.bench.speech import long
from tests.bench.words import word_errors


async def run(size: Size) -> Measured:
    """Return the seconds inside the model, per stream, and those from the first step's start to the last one's end."""
    count, seconds, times = (3, 30.0, 1) if size.small else (12, 60.0, 3)
    recordings, measured, file = long(size.home, count, seconds), Measured(), size.home / "calls"
    async with bench_mesh(size, list(Stage), commands=COMMANDS, environment={"SCRIBE_BENCH_CALLS": str(file)}) as bench:
        await bench.lay(recordings)
        errors = await word_errors(bench, size.home)
        for _ in range(times):
            drained = await bench.drain(recordings, diarize=True)
            start, end = bounds(await bench.steps(drained.jobs, Stage.TRANSCRIBER))
            made = [call for call in calls(file) if start < call.start < end]
            # Those that the engine chose to have: one that rests counts against it.
            inside, streams = sum(call.end - call.start for call in made), max(call.streams for call in made)
            measured.add(inside / streams, end - start, inside / streams / (end - start))
        measured.beside = {"jobs": f"{count} of {seconds:.0f} s, {times} times", "streams": streams, **errors}
    return measured


ROW = Row(
    number=1,
    title="transcriber busy: seconds inside CTranslate2, per stream of the chosen layout, out of those from its first "
    "step's start to its last step's end; jobs of 60 s with speakers, all six stages, database, heartbeats",
    ours="s inside the model",
    peer="s",
    must=0.95,
    aim=0.99,
    run=run,
    quick=True,
)
