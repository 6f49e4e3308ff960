"""What a job that ended without a result leaves to read: the chunks that were transcribed before its end."""

from collections.abc import Iterator, Sequence

from shared.jobs.document import Job
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
        duration=job.facts.duration or 0.0,
        segments=segments,
        paragraphs=paragraphs,
        speakers=(),
        warnings=(*job.warnings, f"the job is {job.state}: {len(chunks)} of {job.facts.chunks} chunks are here"),
        metadata=job.options.metadata,
    )


def _paragraphs(chunks: Sequence[ChunkText]) -> Iterator[Paragraph]:
    first = 0
    for chunk in chunks:
        indexes = tuple(range(first, first + len(chunk.segments)))
        first += len(chunk.segments)
        if indexes:
            yield _paragraph(chunk.segments, indexes)


def _paragraph(segments: Sequence[Segment], indexes: tuple[int, ...]) -> Paragraph:
    text = " ".join(segment.text.strip() for segment in segments)
    return Paragraph(start=segments[0].start, end=segments[-1].end, speaker=None, text=text, segments=indexes)
