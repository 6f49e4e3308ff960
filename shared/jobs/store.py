"""Where job documents and step outputs are kept: what the mesh asks of a database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from shared.jobs.document import Job
from shared.jobs.history import Entry
from shared.jobs.step import Step
from shared.topology import Stage
from shared.transcript import Output


class NoSuchJob(Exception):
    """There is no job with that id."""

    def __init__(self, job: str) -> None:
        super().__init__(f"no job {job}")


class JobStore(Protocol):
    """Job documents, changed by compare-and-set, and the outputs of their steps."""

    async def insert(self, job: Job) -> Job:
        """Store a new job and return it, or return the one stored before with its id or its idempotency key."""

    async def find(self, job: str) -> Job:
        """Return the job; raise NoSuchJob."""

    def claimable(self, step: Step) -> Job | None:
        """Return the job as this process last saw it if the step can be claimed by that, perhaps old, document."""

    async def save(self, before: Job, after: Job) -> Job | None:
        """Write what differs if the stored revision is still `before`'s; return the saved job, None if it is not."""

    async def beat(self, step: Step, attempt: int, progress: float, now: datetime) -> bool:
        """Record that the attempt is alive; return False if it no longer holds the step."""

    async def published(self, job: str, sequences: Iterable[int], steps: Iterable[Step], now: datetime) -> None:
        """Forget facts and mark steps whose messages the broker has confirmed."""

    async def put_output(self, step: Step, attempt: int, output: Output) -> None:
        """Keep what an attempt made; it counts only once the document names the attempt."""

    async def drop_output(self, step: Step, attempt: int) -> None:
        """Forget what a discarded attempt made."""

    async def outputs(self, job: Job, stages: Iterable[Stage]) -> Mapping[Stage, tuple[Output, ...]]:
        """Return the outputs of the stages that count by the document, each in the order of its parts."""

    async def remember(self, entries: Sequence[Entry]) -> None:
        """Add to the history; an entry that is there already stays one."""

    async def history(self, job: str) -> list[Entry]:
        """Return the job's history in the order of time, committed attempts included, which nobody remembers."""

    async def ping(self) -> None:
        """Raise if the database cannot be reached."""


class Change(Protocol):
    """What a move decided, with the document it leaves."""

    @property
    def job(self) -> Job:
        """The document to save; the very one that was given if nothing changes."""


C = TypeVar("C", bound=Change)


async def change(store: JobStore, job: Job, move: Callable[[Job], C]) -> tuple[C, Job]:
    """Apply `move` and save what it leaves, from the stored document again until nobody wrote in between.

    Return what the move decided and the document as saved; raise what the move raises.
    """
    while True:
        changed = move(job)
        if changed.job is job:
            return changed, job
        saved = await store.save(job, changed.job)
        if saved is not None:
            return changed, saved
        job = await store.find(job.id)
