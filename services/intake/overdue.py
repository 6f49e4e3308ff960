"""Which steps have been waiting for so long that their messages must be lost, as pure functions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import flow
from shared.jobs.document import Job, StepRecord
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.topology import Lane, Stage


@dataclass(frozen=True)
class Expected:
    """A step whose message should lie in its stage's work queue, and the last time anybody heard of it."""

    step: Step
    lane: Lane
    heard: datetime


@dataclass(frozen=True)
class Patience:
    """Seconds without a heartbeat after which a worker counts as dead, and for which a message may lie unseen."""

    heartbeat_lost: float
    overdue: float


def expected(job: Job, now: datetime, patience: Patience, window: int) -> Iterator[Expected]:
    """Yield the job's ready steps that neither run nor wait on the ladder."""
    for step in flow.ready(job, window):
        record = job.record(step)
        if record is not None and not _elsewhere(record, now, patience):
            yield Expected(step, job.lane, _heard(record))


def missing(
    steps: Iterable[Expected], depths: Mapping[Stage, int], now: datetime, patience: Patience
) -> list[Expected]:
    """Return the steps to publish again: of each stage as many as its queue has too few, the longest unheard first.

    `depths` are the messages that lie in the work queues. A deep queue makes steps wait as a lost message does; only
    their number tells the two apart.
    """
    waiting = sorted(steps, key=lambda each: each.heard)
    short = Counter(each.step.stage for each in waiting)
    short.subtract(depths)
    late = now - timedelta(seconds=patience.overdue)
    again: list[Expected] = []
    for each in waiting:
        if short[each.step.stage] > 0 and each.heard < late:
            short[each.step.stage] -= 1
            again.append(each)
    return again


def _elsewhere(record: StepRecord, now: datetime, patience: Patience) -> bool:
    if record.state is StepState.RUNNING:
        return now - (record.heartbeat or record.queued) < timedelta(seconds=patience.heartbeat_lost)
    return record.due is not None and record.due > now


def _heard(record: StepRecord) -> datetime:
    signs = (record.queued, record.posted, record.due, record.heartbeat)
    return max(sign for sign in signs if sign is not None)
