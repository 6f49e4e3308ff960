"""What service processes write down while a scenario asks for it: confirmed revisions, and messages that came again."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from shared.jobs.document import Job
from shared.mesh.settle import Handle, Settler


class Notes:
    """One file a kind in the campaign's folder; a line is added in one write, so that processes do not mix theirs."""

    def __init__(self, folder: Path) -> None:
        self._revisions, self._bounced = folder / "revisions", folder / "bounced"

    def begin(self) -> None:
        """Have everything written down from here on."""
        self._revisions.write_text("")
        self._bounced.write_text("")

    def end(self) -> None:
        """Have nothing written down any more."""
        self._revisions.unlink()
        self._bounced.unlink()

    def revisions(self) -> dict[str, int]:
        """Return the latest revision of each job that the database has confirmed to anybody."""
        lines = (line.split() for line in self._revisions.read_text().splitlines())
        latest: dict[str, int] = {}
        for job, revision in lines:
            latest[job] = max(int(revision), latest.get(job, 0))
        return latest

    def bounced(self) -> list[str]:
        """Return a line for each message that was delivered again."""
        return self._bounced.read_text().splitlines()

    def guard_saves(self, store: Any) -> None:
        """Write down every revision that this process's store has saved."""
        save: Callable[[Job, Job], Awaitable[Job | None]] = store.save

        async def saved(before: Job, after: Job) -> Job | None:
            job = await save(before, after)
            if job is not None:
                _add(self._revisions, f"{job.id} {job.revision}")
            return job

        store.save = saved

    def guard_messages(self) -> None:
        """Write down every message that this process is given after somebody else, or itself, had it before."""
        settle = Settler.settle

        async def settled(settler: Settler, message: AbstractIncomingMessage, handle: Handle) -> None:
            if message.redelivered:
                _add(self._bounced, f"{settler.stage}: {message.message_id} came again")
            await settle(settler, message, handle)

        Settler.settle = settled  # type: ignore[method-assign, assignment]  # the one place that sees every message


def _add(file: Path, line: str) -> None:
    if file.exists():
        with file.open("a") as out:
            out.write(f"{line}\n")
