"""A job store in memory, held to the same contract as the real one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from shared.flow import OUTPUTS
from shared.jobs.document import Job
from shared.jobs.history import Entry, whole
from shared.jobs.rows import identity
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.jobs.store import NoSuchJob
from shared.topology import Stage
from shared.transcript import Output


class MemoryStore:
    """Jobs, their ids by identity, outputs and history in dictionaries."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.ids: dict[str, str] = {}
        self.made: dict[tuple[Step, int], Output] = {}
        self.entries: dict[str, Entry] = {}

    async def insert(self, job: Job) -> Job:
        """Store a new job or return the earlier one of the same identity."""
        known = job.id if job.id in self.jobs else self.ids.setdefault(identity(job), job.id)
        return self.jobs.setdefault(known, job)

    async def find(self, job: str) -> Job:
        """Return the job; raise NoSuchJob."""
        if job not in self.jobs:
            raise NoSuchJob(job)
        return self.jobs[job]

    def claimable(self, step: Step) -> Job | None:
        """Return the job if the step can be claimed."""
        record = self.jobs[step.job].record(step) if step.job in self.jobs else None
        return self.jobs[step.job] if record and record.state is StepState.QUEUED and not record.due else None

    async def save(self, before: Job, after: Job) -> Job | None:
        """Write what differs if nobody has written since `before` was read."""
        stored = self.jobs.get(before.id)
        if stored is None or (stored.created, stored.revision) != (before.created, before.revision):
            return None
        changed = {key: record for key, record in after.steps.items() if record is not before.steps.get(key)}
        fresh = tuple(fact for fact in after.outbox if fact.sequence > before.sequence)
        saved = after.but(revision=before.revision + 1)
        self.jobs[before.id] = saved.but(steps={**stored.steps, **changed}, outbox=(*stored.outbox, *fresh))
        return saved

    async def beat(self, step: Step, attempt: int, progress: float, now: datetime) -> bool:
        """Record a heartbeat if the attempt still holds the step."""
        job = await self.find(step.job)
        record = job.record(step)
        if record is None or record.attempts != attempt or record.state is not StepState.RUNNING:
            return False
        beaten = record.but(heartbeat=now, progress=progress)
        self.jobs[job.id] = job.but(steps={**job.steps, step.key: beaten})
        return True

    async def published(self, job: str, sequences: Iterable[int], steps: Iterable[Step], now: datetime) -> None:
        """Forget facts and mark steps that were published."""
        told, keys = set(sequences), {step.key for step in steps}
        known = self.jobs.get(job)
        if known is None or not keys <= known.steps.keys():
            return
        left = tuple(fact for fact in known.outbox if fact.sequence not in told)
        marked = {key: known.steps[key].but(posted=now) for key in keys}
        self.jobs[job] = known.but(outbox=left, steps={**known.steps, **marked})

    async def put_output(self, step: Step, attempt: int, output: Output) -> None:
        """Keep what an attempt made."""
        self.made[step, attempt] = output

    async def drop_output(self, step: Step, attempt: int) -> None:
        """Forget what an attempt made."""
        self.made.pop((step, attempt), None)

    async def outputs(self, job: Job, stages: Iterable[Stage]) -> Mapping[Stage, tuple[Output, ...]]:
        """Return the outputs of the stages that count, in order."""
        return {stage: tuple(self._output(job, *each) for each in job.made(stage).items()) for stage in stages}

    def _output(self, job: Job, step: Step, attempt: int) -> Output:
        inside = job.steps[step.key].output
        if inside:
            output: Output = OUTPUTS[step.stage].validate_python(inside)
            return output
        return self.made[step, attempt]

    async def remember(self, entries: Sequence[Entry]) -> None:
        """Add to the history."""
        self.entries |= {entry.name: entry for entry in entries}

    async def history(self, job: str) -> list[Entry]:
        """Return the job's history in the order of time, committed attempts included."""
        return whole(self.jobs.get(job), (entry for entry in self.entries.values() if entry.job == job))

    async def ping(self) -> None:
        """A dictionary is always there."""
