"""What the outside world is told: the body of each event, made from what was committed."""

from collections.abc import Iterator
from typing import Any

from shared.jobs.document import Job
from shared.topology import Happening
from shared.transcript import ChunkText, Output, Segment

TEXT_BYTES = 2_500
"""UTF-8 bytes of segment text that one event carries; a chunk with more is told in several events."""

WARNINGS = 5
LETTERS = 300

Told = tuple[Happening, dict[str, Any]]


def told(output: Output) -> Iterator[Told]:
    """Yield the events that a committed output gives rise to: its segments, for a chunk."""
    if isinstance(output, ChunkText):
        for segments in _pieces(output.segments):
            rows = [{"start": each.start, "end": each.end, "text": each.text} for each in segments]
            yield Happening.SEGMENTS, {"part": output.index, "language": output.language, "segments": rows}


def _pieces(segments: tuple[Segment, ...]) -> Iterator[list[Segment]]:
    piece: list[Segment] = []
    for segment in segments:
        if piece and sum(_weight(each) for each in (*piece, segment)) > TEXT_BYTES:
            yield piece
            piece = []
        piece.append(segment)
    if piece:
        yield piece


def _weight(segment: Segment) -> int:
    # 60 bytes are the segment's times and punctuation as JSON.
    return len(segment.text.encode()) + 60


def completed(job: Job) -> Told:
    """Return the event of a completed job: where its transcript lies and what it holds."""
    return Happening.COMPLETED, {
        **job.facts.model_dump(exclude_none=True),
        "warnings": _short(job.warnings),
        "metadata": job.options.metadata,
    }


def failed(job: Job) -> Told:
    """Return the event of a failed job: why."""
    return Happening.FAILED, {
        "error": (job.error or "")[:LETTERS],
        "warnings": _short(job.warnings),
        "metadata": job.options.metadata,
    }


def cancelled(job: Job) -> Told:
    """Return the event of a cancelled job."""
    return Happening.CANCELLED, {"metadata": job.options.metadata}


def accepted(job: Job) -> Told:
    """Return the event of an accepted job: its lane."""
    return Happening.ACCEPTED, {"priority": job.lane.label, "metadata": job.options.metadata}


def _short(warnings: tuple[str, ...]) -> list[str]:
    return [warning[:LETTERS] for warning in warnings[:WARNINGS]]
