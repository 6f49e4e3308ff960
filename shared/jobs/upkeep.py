"""Looking after all jobs at once: what intake asks of a database to admit, sweep and forget them."""

from collections import Counter
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Protocol

from shared.jobs.document import Job
from shared.topology import Lane


class Upkeep(Protocol):
    """Questions about many jobs, and the lock under which one process alone looks after them."""

    async def running(self) -> Counter[tuple[str, Lane]]:
        """Return how many admitted jobs have not ended, by tenant and lane."""

    async def waiting(self) -> Counter[Lane]:
        """Return how many jobs wait to be admitted, by lane."""

    async def next_waiting(self, full: Collection[str]) -> Job | None:
        """Return the waiting job that is next, the highest lane's oldest, of the tenants that are not `full`."""

    def unsettled(self) -> AsyncIterator[Job]:
        """Yield the jobs that neither wait to be admitted nor are known to be at rest."""

    def expired(self, now: datetime) -> AsyncIterator[Job]:
        """Yield the ended jobs that need not be kept any longer."""

    async def alone(self, job: Job) -> bool:
        """Return whether no other job that is kept was made from the same upload."""

    async def forget(self, job: Job) -> None:
        """Delete all that is kept of the job, its document last."""

    async def lead(self, task: str, worker: str, now: datetime, until: datetime) -> bool:
        """Make the worker the task's one leader until the time, unless another is now; return whether it is.

        One whose time ends too far ahead to be true is none.
        """


def too_far(now: datetime, until: datetime) -> datetime:
    """Return the time beyond which no leader's own can end: clocks that agree differ by less than that.

    A machine that starts with its clock ahead may be gone when that is put right: nobody else would lead before.
    """
    return until + (until - now)
