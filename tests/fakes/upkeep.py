"""The upkeep of the job store in memory, held to the same contract as the real one."""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import datetime

from shared.jobs.document import Job
from shared.jobs.rows import identity
from shared.jobs.states import ADMITTED, TERMINAL, JobState
from shared.jobs.upkeep import too_far
from shared.topology import Lane
from tests.fakes.store import MemoryStore


class MemoryUpkeep:
    """Looks through the dictionaries of a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._leaders: dict[str, tuple[str, datetime]] = {}

    async def running(self) -> Counter[tuple[str, Lane]]:
        """Return how many admitted jobs have not ended, by tenant and lane."""
        return Counter((job.tenant, job.lane) for job in self._store.jobs.values() if job.state in ADMITTED)

    async def waiting(self) -> Counter[Lane]:
        """Return how many jobs wait to be admitted, by lane."""
        return Counter(job.lane for job in self._store.jobs.values() if job.state is JobState.WAITING)

    async def next_waiting(self, full: Collection[str]) -> Job | None:
        """Return the waiting job that is next of the tenants that are not full."""
        waiting = (job for job in self._store.jobs.values() if job.state is JobState.WAITING)
        asked = (job for job in waiting if job.tenant not in full)
        return min(asked, key=lambda job: (-job.lane, job.created), default=None)

    async def unsettled(self) -> AsyncIterator[Job]:
        """Yield the jobs that are neither waiting nor at rest."""
        for job in list(self._store.jobs.values()):
            if not job.settled and job.state is not JobState.WAITING:
                yield job

    async def expired(self, now: datetime) -> AsyncIterator[Job]:
        """Yield the ended jobs that need not be kept any longer."""
        for job in list(self._store.jobs.values()):
            if job.state in TERMINAL and job.expired(now):
                yield job

    async def alone(self, job: Job) -> bool:
        """Return whether no other job was made from the same upload."""
        upload = job.options.source.object
        return not any(each.options.source.object == upload and each.id != job.id for each in self._store.jobs.values())

    async def forget(self, job: Job) -> None:
        """Delete all that is kept of the job."""
        self._store.made = {key: made for key, made in self._store.made.items() if key[0].job != job.id}
        self._store.entries = {name: each for name, each in self._store.entries.items() if each.job != job.id}
        if self._store.jobs[job.id].revision == job.revision:
            del self._store.jobs[job.id]
            self._store.ids.pop(identity(job), None)

    async def lead(self, task: str, worker: str, now: datetime, until: datetime) -> bool:
        """Make the worker the task's leader unless another is."""
        leader, ends = self._leaders.get(task, (worker, now))
        if leader != worker and now <= ends <= too_far(now, until):
            return False
        self._leaders[task] = worker, until
        return True
