"""Seconds out of step records: from the first start to the last end, and those in which anything was worked on."""

from collections.abc import Iterable
from datetime import datetime

from shared.jobs.document import StepRecord


def span(records: Iterable[StepRecord]) -> float:
    """Return the seconds from the first step's start to the last one's end."""
    starts, ends = zip(*(_bounds(record) for record in records), strict=True)
    return (max(ends) - min(starts)).total_seconds()


def union(records: Iterable[StepRecord]) -> float:
    """Return the seconds in which at least one of the steps was worked on."""
    total, until = 0.0, 0.0
    for start, end in sorted((start.timestamp(), end.timestamp()) for start, end in map(_bounds, records)):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _bounds(record: StepRecord) -> tuple[datetime, datetime]:
    assert record.started is not None
    assert record.ended is not None
    return record.started, record.ended
