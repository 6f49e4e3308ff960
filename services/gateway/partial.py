"""What a job that ended without a result leaves to read: the chunks that were transcribed before its end."""

from collections.abc import Iterator, Sequence

from shared.jobs.document import Job
from shared.languages import joined
from shared.transcript import ChunkText, Paragraph, Segment, Transcript


def partial(job: Job, chunks: Sequence[ChunkText]) -> Transcript:
    """Return the chunks as a transcript marked partial: a paragraph for each, no speakers, what is missing left out."""
    segments = tuple(segment for chunk in chunks for segment in chunk.segments)
    paragraphs = tuple(_paragraphs(chunks))
    return Transcript(
        job=job.id,
        partial=True,
        text="\n".join(paragraph.text for paragraph in paragraphs),
        language=job.facts.language,
        language_probability=job.facts.language_probability,
        duration=_duration(job, segments),
        segments=segments,
        paragraphs=paragraphs,
        speakers=(),
        warnings=(*job.warnings, f"the job is {job.state}: {_extent(job, len(chunks))}"),
        metadata=job.options.metadata,
    )


def _extent(job: Job, here: int) -> str:
    if job.facts.chunks is None:
        return f"{here} chunks are here; the recording had not been prepared to its end"
    return f"{here} of {job.facts.chunks} chunks are here"


def _duration(job: Job, segments: Sequence[Segment]) -> float:
    # A recording that was not prepared to its end is as long as what was heard of it.
    heard = max((segment.end for segment in segments), default=0.0)
    return heard if job.facts.duration is None else job.facts.duration


def _paragraphs(chunks: Sequence[ChunkText]) -> Iterator[Paragraph]:
    first = 0
    for chunk in chunks:
        indexes = tuple(range(first, first + len(chunk.segments)))
        first += len(chunk.segments)
        if indexes:
            yield _paragraph(chunk.segments, indexes)


def _paragraph(segments: Sequence[Segment], indexes: tuple[int, ...]) -> Paragraph:
    text = joined(segment.text for segment in segments)
    return Paragraph(start=segments[0].start, end=segments[-1].end, speaker=None, text=text, segments=indexes)
