"""What the enhancer does: words and voices become the one result document."""

from collections.abc import Iterable, Sequence
from itertools import chain

from services.enhancer.segments import paragraphs, talk_times, with_speakers
from services.enhancer.settings import EnhancerSettings
from services.enhancer.speakers import Voices
from shared.blobs import Blobs
from shared.jobs.document import Job
from shared.jobs.step import Step
from shared.mesh.work import Work
from shared.transcript import ChunkText, Diarization, Published, Segment, Transcript, Turn


async def enhance(work: Work, settings: EnhancerSettings, blobs: Blobs) -> Published:
    """Store the result document, every word with its speaker, and return where it lies."""
    turns = [turn for voices in work.outputs(Diarization) for turn in voices.turns]
    segments = list(with_speakers(_segments(work), Voices(turns, settings.speaker_reach)))
    return await _publish(work, transcript(work, segments, turns, settings), blobs)


async def plain(work: Work, settings: EnhancerSettings, blobs: Blobs) -> Published:
    """Store the result document as the transcriber heard it, without speakers: what stands in for `enhance`."""
    return await _publish(work, transcript(work, list(_segments(work)), [], settings), blobs)


def transcript(
    work: Work, segments: Sequence[Segment], turns: Sequence[Turn], settings: EnhancerSettings
) -> Transcript:
    """Return the result document made of the segments and turns, and of what the job knows."""
    job, read = work.job, tuple(paragraphs(segments, settings))
    return Transcript(
        job=job.id,
        text="\n".join(paragraph.text for paragraph in read),
        language=job.facts.language,
        language_probability=job.facts.language_probability,
        duration=job.facts.duration or 0.0,
        segments=tuple(segments),
        paragraphs=read,
        speakers=talk_times(turns),
        warnings=job.warnings,
        metadata=job.options.metadata,
        models=_models(work),
        versions=_versions(work),
        timings=timings(job),
    )


def timings(job: Job) -> dict[str, float]:
    """Return, per stage, the seconds from the start of its first step to the end of its last."""
    spans: dict[str, list[float]] = {}
    for key, record in job.steps.items():
        if record.started and record.ended:
            spans.setdefault(Step.of(job.id, key).stage, []).extend(
                (record.started.timestamp(), record.ended.timestamp())
            )
    return {stage: round(max(times) - min(times), 3) for stage, times in spans.items()}


def _segments(work: Work) -> Iterable[Segment]:
    chunks = sorted(work.outputs(ChunkText), key=lambda chunk: chunk.index)
    return chain.from_iterable(chunk.segments for chunk in chunks)


def _models(work: Work) -> dict[str, str]:
    made = [(stage, output) for stage, outputs in work.inputs.items() for output in outputs]
    named = [(stage, output.model) for stage, output in made if isinstance(output, ChunkText | Diarization)]
    return dict(reversed(named))  # the first of each stage


def _versions(work: Work) -> dict[str, str]:
    made = [text.versions for text in work.outputs(ChunkText)[:1]]
    made += [voices.versions for voices in work.outputs(Diarization)]
    return {name: version for versions in made for name, version in versions.items()}


async def _publish(work: Work, result: Transcript, blobs: Blobs) -> Published:
    job = work.job
    key = f"jobs/{job.tenant}/{job.id}/transcript.{work.attempt}.json"
    await blobs.put(key, result.model_dump_json().encode())
    words = sum(len(segment.words) or len(segment.text.split()) for segment in result.segments)
    return Published(transcript=key, words=words, speakers=len(result.speakers))
