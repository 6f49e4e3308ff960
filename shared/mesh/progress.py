"""The events that tell how far a step and its stage have come."""

from collections.abc import Iterator
from datetime import timedelta

from shared import flow
from shared.clock import now
from shared.jobs.document import Job
from shared.jobs.step import Step
from shared.mesh.pulse import PROGRESS_SECONDS
from shared.messages import Event
from shared.topology import Happening


def progress(job: Job, step: Step, fraction: float) -> Iterator[Event]:
    """Yield the event that tells how much of the step and of its stage is done, with the job's last sequence number.

    Deliveries are no part of the job, and tell none; nor does a step of a stage whose parts nobody can count yet.
    """
    total = flow.total(job, step.stage)
    if step.stage in flow.OUTSIDE or not total:
        return
    done = sum(job.over(step.stage, part) for part in range(total) if part != step.part)
    stage_fraction = min(1.0, (done + fraction) / total)
    body = {"stage": step.stage, "part": step.part, "fraction": fraction, "stage_fraction": stage_fraction}
    yield Event(
        job=job.id,
        tenant=job.tenant,
        sequence=job.sequence,
        happening=Happening.PROGRESS,
        at=now(),
        body=body,
    )


def step_done(job: Job, step: Step) -> Iterator[Event]:
    """Yield the progress of a step that is done if its stage began PROGRESS_SECONDS ago or more.

    What is over sooner is told by the events that follow it: nobody could watch, and telling costs as much as they do.
    """
    records = [job.record(Step(job.id, step.stage, part)) for part in flow.parts(job, step.stage)]
    began = [record.started for record in records if record and record.started]
    if began and now() - min(began) >= timedelta(seconds=PROGRESS_SECONDS):
        yield from progress(job, step, 1.0)
