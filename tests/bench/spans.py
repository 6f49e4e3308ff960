"""When steps were worked on, out of their records."""

from collections.abc import Iterable

from shared.jobs.document import StepRecord


def bounds(records: Iterable[StepRecord]) -> tuple[float, float]:
    """Return the first step's start and the last one's end, in seconds of the epoch."""
    times = [(record.started, record.ended) for record in records]
    starts, ends = [start for start, _ in times if start], [end for _, end in times if end]
    return min(starts).timestamp(), max(ends).timestamp()
