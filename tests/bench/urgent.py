"""Row 6: how long an urgent job waits under a backlog of long ones, against the time of one batch."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from aio_pika.abc import AbstractIncomingMessage

from deploy.local.runner import GRACE
from shared.clock import now
from shared.messages import StepMessage
from shared.topology import JOBS, Happening, Stage, step_key
from tests.bench.calls import COMMANDS, Batch, batches, calls
from tests.bench.client import Bench
from tests.bench.mesh import bench_mesh
from tests.bench.row import Measured, Row, Size
from tests.bench.speech import Recording, long, short
from tests.bench.words import word_errors

STAGES = (Stage.INTAKE, Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.ENHANCER)

CUT_SECONDS = 0.001
"""By less than this a document's time lies before the clock's: it is cut to milliseconds."""


@dataclass(frozen=True)
class Wait:
    """The seconds from an urgent job's submission to the start of its batch in the model, and that batch."""

    seconds: float
    batch: Batch


async def run(size: Size) -> Measured:
    """Return the seconds that the slowest of a few urgent jobs waited for its batch, and those of one batch.

    That is the mean: batches of one window and of two take turns, and the median would be the one or the other.
    """
    backlog, seconds, rounds, hurried = (12, 30.0, 1, 2) if size.small else (200, 60.0, 3, 4)
    file, measured = size.home / "calls", Measured()
    recordings, urgent = long(size.home, 12, seconds), short(size.home, hurried)
    apart = 2.0 if size.small else 10.0
    async with bench_mesh(size, STAGES, commands=COMMANDS, environment={"SCRIBE_BENCH_CALLS": str(file)}) as bench:
        await bench.lay([*recordings, *urgent])
        await bench.drain(urgent)
        began = now().timestamp()
        piled = await _pile_up(bench, [recordings[number % len(recordings)] for number in range(backlog)])
        for _ in range(rounds):
            waits = [await _wait(bench, recording, file, apart) for recording in urgent]
            own = {wait.batch for wait in waits}
            others = [each for each in batches(calls(file)) if each.start > began and each not in own]
            longest, batch = max(wait.seconds for wait in waits), fmean(each.end - each.start for each in others)
            measured.add(longest, batch, longest / batch)
        left = len(piled) - len(piled & {event.job for event in bench.events if event.happening is Happening.COMPLETED})
        assert left, "the backlog was gone before the last urgent job"
        measured.beside = {
            "backlog": f"{backlog} jobs of {seconds:.0f} s, {rounds} times {hurried} urgent ones; at the end {left}",
            **await word_errors(bench, size.home),
        }
    return measured


async def _pile_up(bench: Bench, recordings: Sequence[Recording]) -> set[str | None]:
    """Submit a job for each recording, let the transcriber begin once all of them wait for it, and return the jobs."""
    (transcriber,) = bench.mesh.keepers[Stage.TRANSCRIBER]
    await transcriber.stop(GRACE)
    asked, all_asked = set[str](), asyncio.Event()

    async def count(message: AbstractIncomingMessage) -> None:
        asked.add(StepMessage.model_validate_json(message.body).job)
        await message.ack()
        if len(asked) == len(recordings):
            all_asked.set()

    queue = await bench.channel.declare_queue(exclusive=True)
    await queue.bind(JOBS.name, step_key(Stage.TRANSCRIBER))
    tag = await queue.consume(count)
    piled: set[str | None] = {await bench.submit(recording) for recording in recordings}
    await all_asked.wait()
    await queue.cancel(tag)
    bench.lines.ready.pop(transcriber.name)
    transcriber.start()
    await bench.lines.until_ready([transcriber.name])
    return piled


async def _wait(bench: Bench, recording: Recording, file: Path, apart: float) -> Wait:
    """Submit an urgent job at a random moment and return how long it waited."""
    await asyncio.sleep(random.random() * apart)
    submitted = now().timestamp()
    job = await bench.submit(recording, priority="urgent")
    await bench.completed([job])
    (step,) = await bench.steps([job], Stage.TRANSCRIBER)
    assert step.ended is not None
    batch = _heard_in(batches(calls(file)), submitted, step.ended.timestamp() + CUT_SECONDS)
    return Wait(batch.start - submitted, batch)


def _heard_in(known: Sequence[Batch], submitted: float, ended: float) -> Batch:
    """Return the batch, begun since the submission, that was over last when the step ended: the text is committed then.

    Another stream's may have ended in between; of those that were under way before, none is taken for the job's.
    """
    since = [batch for batch in known if batch.start >= submitted and batch.end <= ended]
    assert since, "the step ended without a batch that began after its submission"
    return since[-1]


ROW = Row(
    number=6,
    title="an urgent job under a backlog of long ones: the longest wait of a few, from submission over intake and "
    "downloader to the start of its batch in the model, against the time of one of the backlog's batches",
    ours="s of waiting",
    peer="s a batch",
    must=1.2,
    aim=1.05,
    run=run,
    better="less",
    quick=True,
)
