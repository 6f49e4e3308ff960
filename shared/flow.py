"""Which stages follow which, as data, and the one pure function that says what comes next."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter

from shared.jobs.document import Job
from shared.jobs.states import ADMITTED, StepState
from shared.jobs.step import Step
from shared.topology import Stage
from shared.transcript import ChunkText, Cut, Delivered, Diarization, HeardPiece, Prepared, Published

# Every stage that works on the recording, behind those whose outputs it needs.
FLOW: dict[Stage, tuple[Stage, ...]] = {
    Stage.DOWNLOADER: (),
    Stage.TRANSCRIBER: (Stage.DOWNLOADER,),
    Stage.DIARIZER: (Stage.DOWNLOADER,),
    Stage.ENHANCER: (Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.DIARIZER),
    Stage.NOTIFIER: (),
}

# What the stages make, and how it is read; where a stage has two outputs, their fields tell them apart.
OUTPUTS: dict[Stage, TypeAdapter[Any]] = {
    Stage.DOWNLOADER: TypeAdapter(Prepared | Cut),
    Stage.TRANSCRIBER: TypeAdapter(ChunkText),
    Stage.DIARIZER: TypeAdapter(Diarization | HeardPiece),
    Stage.ENHANCER: TypeAdapter(Published),
    Stage.NOTIFIER: TypeAdapter(Delivered),
}

# A stage that begins with the parts that are announced, before the stage that announces them is over.
EARLY = {Stage.TRANSCRIBER}

PIECE_SECONDS = 180.0
"""A recording that has two pieces of this length, or more, is listened to by several diarizers."""

# A job completes without these when they give up, with a warning, unless it asked to be strict; True where something
# must stand in for the output, because the result is made of it.
OPTIONAL = {Stage.DIARIZER: False, Stage.ENHANCER: True}

# A delivery tells of the job and is no part of it: it outlives the job's end and never changes it.
OUTSIDE = {Stage.NOTIFIER}
_OUTSIDE_KEYS = tuple(f"{stage}-" for stage in OUTSIDE)


def parts(job: Job, stage: Stage) -> range:
    """Return the parts of the stage that the job needs as it stands, once the stage may begin.

    The transcriber's are those of the chunks that are known. The diarizer's join comes when all pieces have been heard;
    when one was given up on, none is begun any more.
    """
    if stage in EARLY and job.announced is not None:
        return range(len(job.announced.digests))
    if stage is not Stage.DIARIZER or not (count := pieces(job)):
        return range(total(job, stage))
    known = [job.steps.get(Step(job.id, stage, part).key) for part in range(count)]
    begun = [record for record in known if record is not None]
    if any(record.state is StepState.DEAD for record in begun):
        return range(len(begun))
    return range(total(job, stage) if sum(record.over for record in begun) == count else count)


def total(job: Job, stage: Stage) -> int:
    """Return how many parts the stage has in all, if none is given up on; 0 as long as nobody knows."""
    if stage is Stage.TRANSCRIBER:
        return job.facts.chunks or 0
    if stage is Stage.DIARIZER:
        count = pieces(job)
        return count + (count > 1)
    return 1


def pieces(job: Job) -> int:
    """Return in how many pieces the diarizer hears the recording; more than one are joined by the part that follows."""
    if not (job.options.diarize and job.facts.chunks):
        return 0
    return max(1, int((job.facts.duration or 0.0) // PIECE_SECONDS))


def beyond(job: Job, step: Step) -> bool:
    """Whether the step is a chunk's, and the recording turned out to have fewer."""
    return step.stage is Stage.TRANSCRIBER and job.facts.chunks is not None and step.part >= job.facts.chunks


def awaits(job: Job, step: Step) -> bool:
    """Whether the step may not begin yet, though the document may hold a record of it from before.

    A chunk waits until it is announced; any step of the flow waits while what it works on is being made again.
    """
    begun = step.stage in OUTSIDE or any(stage is step.stage and step.part in left for stage, left in _begun(job))
    return not begun


def joins(job: Job, step: Step) -> bool:
    """Whether the step makes one result of what its stage's other parts made."""
    return step.stage is Stage.DIARIZER and step.part > 0 and step.part == pieces(job)


def needs(job: Job, step: Step) -> tuple[Stage, ...]:
    """Return the stages whose outputs the step works on."""
    return (*FLOW[step.stage], step.stage) if joins(job, step) else FLOW[step.stage]


def ready(job: Job, window: int) -> tuple[Step, ...]:
    """Return the steps that may be worked on now: not over themselves, `window` a stage at most.

    Their predecessors are over, or have announced them. When they are all deliveries, every stage of the flow is over.
    """
    begun = _begun(job) if job.state in ADMITTED else ()
    steps = [Step(job.id, stage, part) for stage, left in begun for part in left[:window]]
    return (*steps, *deliveries(job))


def _begun(job: Job) -> Iterator[tuple[Stage, list[int]]]:
    """Yield the stages that may be worked on, or are over, each with its parts that are not over."""
    behind: set[Stage] = set()
    for stage, before in FLOW.items():  # those before come first
        begun = behind.issuperset(before)
        if stage not in OUTSIDE and (begun or stage in EARLY):
            left = [part for part in parts(job, stage) if not job.over(stage, part)]
            if begun and not left:
                behind.add(stage)
            yield stage, left


def deliveries(job: Job) -> tuple[Step, ...]:
    """Return the deliveries that are not over."""
    keys = (key for key, record in job.steps.items() if key.startswith(_OUTSIDE_KEYS) and not record.over)
    return tuple(Step.of(job.id, key) for key in keys)


def unposted(job: Job, window: int) -> tuple[Step, ...]:
    """Return the ready steps whose messages the broker has not confirmed: what a redelivery publishes again."""
    return unconfirmed(job, ready(job, window))


def unconfirmed(job: Job, steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return those of the steps that are queued, and their messages not confirmed by the broker."""
    known = ((step, job.record(step)) for step in steps)
    return tuple(step for step, record in known if record and not record.posted and record.state is StepState.QUEUED)
