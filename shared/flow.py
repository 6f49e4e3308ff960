"""Which stages follow which, as data, and the one pure function that says what comes next."""

from itertools import islice

from shared.jobs.document import Job
from shared.jobs.states import ADMITTED, StepState
from shared.jobs.step import Step
from shared.topology import Stage
from shared.transcript import ChunkText, Delivered, Diarization, Output, Prepared, Published

# Every stage that works on the recording, behind those whose outputs it needs.
FLOW: dict[Stage, tuple[Stage, ...]] = {
    Stage.DOWNLOADER: (),
    Stage.TRANSCRIBER: (Stage.DOWNLOADER,),
    Stage.DIARIZER: (Stage.DOWNLOADER,),
    Stage.ENHANCER: (Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.DIARIZER),
    Stage.NOTIFIER: (),
}

OUTPUTS: dict[Stage, type[Output]] = {
    Stage.DOWNLOADER: Prepared,
    Stage.TRANSCRIBER: ChunkText,
    Stage.DIARIZER: Diarization,
    Stage.ENHANCER: Published,
    Stage.NOTIFIER: Delivered,
}

# A job completes without these when they give up, with a warning, unless it asked to be strict; True where something
# must stand in for the output, because the result is made of it.
OPTIONAL = {Stage.DIARIZER: False, Stage.ENHANCER: True}

# A delivery tells of the job and is no part of it: it outlives the job's end and never changes it.
OUTSIDE = {Stage.NOTIFIER}
_OUTSIDE_KEYS = tuple(f"{stage}-" for stage in OUTSIDE)


def parts(job: Job, stage: Stage) -> range:
    """Return the parts of the stage that the job needs, once the stage's predecessors are over."""
    chunks = job.facts.chunks or 0
    if stage is Stage.TRANSCRIBER:
        return range(chunks)
    if stage is Stage.DIARIZER:
        return range(1 if job.options.diarize and chunks else 0)
    return range(1)


def behind(job: Job) -> set[Stage]:
    """Return the stages that are over for this job, and all before them."""
    stages: set[Stage] = set()
    for stage, before in FLOW.items():  # those before come first
        if stages.issuperset(before) and all(job.over(stage, part) for part in parts(job, stage)):
            stages.add(stage)
    return stages


def finished(job: Job) -> bool:
    """Whether every stage of the flow is over."""
    return behind(job) >= FLOW.keys() - OUTSIDE


def ready(job: Job, window: int) -> tuple[Step, ...]:
    """Return the steps that may be worked on now: predecessors over, not over themselves, `window` a stage at most."""
    steps: list[Step] = []
    gone = behind(job) if job.state in ADMITTED else set(FLOW)
    for stage, before in FLOW.items():
        if stage not in gone and stage not in OUTSIDE and gone.issuperset(before):
            open_parts = (part for part in parts(job, stage) if not job.over(stage, part))
            steps += [Step(job.id, stage, part) for part in islice(open_parts, window)]
    return (*steps, *deliveries(job))


def deliveries(job: Job) -> tuple[Step, ...]:
    """Return the deliveries that are not over."""
    keys = (key for key, record in job.steps.items() if key.startswith(_OUTSIDE_KEYS) and not record.over)
    return tuple(Step.of(job.id, key) for key in keys)


def unposted(job: Job, window: int) -> tuple[Step, ...]:
    """Return the ready steps whose messages the broker has not confirmed: what a redelivery publishes again."""
    known = ((step, job.record(step)) for step in ready(job, window))
    return tuple(step for step, record in known if record and not record.posted and record.state is StepState.QUEUED)
