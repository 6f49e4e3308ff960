"""The job documents that this process last read or wrote: a claim begins with them, without asking the database."""

from collections import OrderedDict
from collections.abc import Collection
from datetime import datetime

from shared.jobs.document import Job, StepRecord
from shared.jobs.states import StepState
from shared.jobs.step import Step

MOST = 256
MOST_STEPS = 64
"""Longer documents are not kept: they take memory, and beside the work of their steps a read is nothing."""


class Known:
    """The latest MOST documents with a step that is not over.

    They may be out of date: what is decided on one counts only once it is saved.
    """

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def keep(self, job: Job) -> Job:
        """Keep the document, unless a later one of the same job is kept, and return it."""
        known = self._jobs.pop(job.id, job)
        latest = known if known.created == job.created and known.revision > job.revision else job
        if len(latest.steps) <= MOST_STEPS and not all(record.over for record in latest.steps.values()):
            self._jobs[job.id] = latest
        if len(self._jobs) > MOST:
            self._jobs.popitem(last=False)
        return job

    def published(self, job: str, told: Collection[int], posted: Collection[Step], now: datetime) -> None:
        """Note in the document what `JobStore.published` notes in the database."""
        known = self._jobs.get(job)
        if known is not None:
            records = {step.key: known.record(step) for step in posted}  # not all, in a document out of date
            marks = {key: record.but(posted=now) for key, record in records.items() if record}
            outbox = tuple(fact for fact in known.outbox if fact.sequence not in told)
            self._jobs[job] = known.but(outbox=outbox, steps={**known.steps, **marks})

    def moved_on(self, job: Job) -> bool:
        """Whether this process knows a later revision of the document: no save can begin with this one.

        That is answered once and then forgotten: what is read next is the truth, also of a database that was put back.
        """
        known = self._jobs.get(job.id)
        later = known is not None and known.created == job.created and known.revision > job.revision
        if later:
            del self._jobs[job.id]
        return later

    def claimable(self, step: Step) -> Job | None:
        """Return the document of the step's job if it shows the step as queued, with nothing left to wait for.

        A claim of such a step may be decided on it: whatever has moved the step since has changed the revision, so the
        save is refused. Nothing else may be, because a heartbeat changes no revision.
        """
        job = self._jobs.get(step.job)
        record = job.record(step) if job else None
        return job if record and _claimable(record) else None


def _claimable(record: StepRecord) -> bool:
    return record.state is StepState.QUEUED and record.due is None
