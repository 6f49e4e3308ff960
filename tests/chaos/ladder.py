"""The ladder, each rung of it as short: the broker's own, and what documents say of the time when a step comes back.

What is counted on it is counted as ever; an hour is over in seconds.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from deploy.local.rabbitmq import Broker
from shared.clock import now
from shared.jobs.document import Job

RUNG_MS = 300
POLICY = ("set_policy", "chaos-ladder", r"^scribe\.retry\.", "--priority", "5")


class Ladder:
    """How long a rung waits: one file in the campaign's folder, which every process reads when a step is to wait."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "rung"

    async def shorten(self, broker: Broker, rung_ms: int) -> None:
        """Make every rung wait so long; a broker that was wiped has forgotten it."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(rung_ms))
        fresh.replace(self._file)
        await broker.control(*POLICY, json.dumps({"message-ttl": rung_ms}))

    def guard_saves(self, store: Any) -> None:
        """Save no step that waits for longer than the broker will: a message that was lost there could not wake it."""
        save: Callable[[Job, Job], Awaitable[Job | None]] = store.save

        async def saved(before: Job, after: Job) -> Job | None:
            return await save(before, self._hastened(after) if _waits(after) else after)

        store.save = saved

    def _hastened(self, job: Job) -> Job:
        soon = now() + timedelta(milliseconds=int(self._file.read_text()))
        waiting = {key: record for key, record in job.steps.items() if record.due and record.due > soon}
        return job.but(steps={**job.steps, **{key: record.but(due=soon) for key, record in waiting.items()}})


def _waits(job: Job) -> bool:
    return any(record.due for record in job.steps.values())
