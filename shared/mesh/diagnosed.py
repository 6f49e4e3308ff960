"""Why a step was given up on, as its dead letter says it."""

import traceback
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

from shared.mesh.outcomes import Dead
from shared.mesh.perform import Held
from shared.messages import Diagnosis

LETTERS = 2_000
"""The tail of a traceback that a dead letter shows."""


def given_up(held: Held, dead: Dead, worker: str, now: datetime) -> Diagnosis:
    """Return the diagnosis of a step whose attempt `worker` gave up on; made twice, it has one name."""
    step, failure = held.step, dead.failure
    return Diagnosis(
        letter=str(uuid5(NAMESPACE_OID, f"{step}/{held.attempt}")),
        stage=step.stage,
        reason=dead.reason,
        attempts=held.attempt,
        job=step.job,
        part=step.part,
        tenant=held.job.tenant,
        exception=type(failure).__name__ if failure else None,
        traceback=_traceback(failure) if failure else None,
        worker=worker,
        at=now,
    )


def _traceback(failure: BaseException) -> str:
    return "".join(traceback.format_exception(failure))[-LETTERS:].encode(errors="replace").decode()
