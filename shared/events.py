"""What the outside world is told: the body of each event, made from what was committed."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, TypeVar

from pydantic_core import to_json

from shared.jobs.document import Job
from shared.topology import Happening
from shared.transcript import ChunkText, Output, Segment

TEXT_BYTES = 2_500
"""The most JSON of segments that one event carries; a chunk with more is told in several events."""

TOLD_BYTES = 1_300
"""The most JSON of error and warnings that one event carries: a job's largest metadata leave that much of 4 KB."""

REJECTED_BYTES = 2_000
"""The most JSON of wrong fields that one event carries; the rest of 4 KB is for the AMQP message's id."""

LETTERS = 200
"""How much of an error or a warning is told. One always fits: as JSON, a letter takes six bytes at the most."""

Told = tuple[Happening, dict[str, Any]]
Row = TypeVar("Row", str, dict[str, str])


def segments(output: Output) -> Iterator[Told]:
    """Yield the events of a committed output: its segments, if it is a chunk's text."""
    if isinstance(output, ChunkText):
        for piece in _pieces(output.segments):
            rows = [{"start": each.start, "end": each.end, "text": each.text} for each in piece]
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
    return len(to_json(segment.text)) + 60


def completed(job: Job) -> Told:
    """Return the event of a completed job: where its transcript lies and what it holds."""
    return Happening.COMPLETED, {
        **job.facts.model_dump(),
        "warnings": _short(job.warnings),
        "metadata": job.options.metadata,
    }


def failed(job: Job) -> Told:
    """Return the event of a failed job: why."""
    error, *warnings = _short((job.error or "", *job.warnings))
    return Happening.FAILED, {"error": error, "warnings": warnings, "metadata": job.options.metadata}


def cancelled(job: Job) -> Told:
    """Return the event of a cancelled job."""
    return Happening.CANCELLED, {"metadata": job.options.metadata}


def accepted(job: Job) -> Told:
    """Return the event of an accepted job: its lane."""
    return Happening.ACCEPTED, {"priority": job.lane.label, "metadata": job.options.metadata}


def rejected(errors: Sequence[dict[str, str]], message_id: str | None) -> Told:
    """Return the event of a message that is no job: its wrong fields, as far as they fit, and its AMQP id."""
    return Happening.REJECTED, {"errors": _fitting(errors, REJECTED_BYTES), "message_id": message_id}


def _short(texts: Iterable[str]) -> list[str]:
    """Return the first of the texts, each cut to LETTERS, as far as they fit: the job document has all."""
    return _fitting([text[:LETTERS] for text in texts], TOLD_BYTES)


def _fitting(rows: Sequence[Row], room: int) -> list[Row]:
    """Return the first of the rows that take no more than so many bytes of JSON together."""
    taken = accumulate(len(to_json(row)) + 1 for row in rows)
    return [row for row, so_far in zip(rows, taken, strict=True) if so_far <= room]
