"""Segments of one speaker each, and the paragraphs they are read in."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from services.enhancer.settings import EnhancerSettings
from services.enhancer.speakers import Voices
from shared.languages import ends_sentence, joined
from shared.transcript import Paragraph, Segment, Speaker, Turn, Word


def with_speakers(segments: Iterable[Segment], voices: Voices) -> Iterator[Segment]:
    """Yield the segments with a speaker for every word, cut where the speaker changes."""
    for segment in segments:
        if not segment.words:
            yield segment.model_copy(update={"speaker": voices.of(segment)})
            continue
        words = [word.model_copy(update={"speaker": voices.of(word)}) for word in segment.words]
        yield from _cut(segment, words)


def _cut(segment: Segment, words: Sequence[Word]) -> Iterator[Segment]:
    for speaker, run in groupby(words, key=lambda word: word.speaker):
        piece = tuple(run)
        text = "".join(word.text for word in piece).strip()
        span = {"start": piece[0].start, "end": max(word.end for word in piece)}
        yield segment.model_copy(update={**span, "text": text, "words": piece, "speaker": speaker})


def paragraphs(segments: Sequence[Segment], settings: EnhancerSettings) -> Iterator[Paragraph]:
    """Yield the segments as paragraphs: one speaker, ended by a long pause or, when long, by a sentence's end."""
    held: list[int] = []
    for index, segment in enumerate(segments):
        if held and _ends_paragraph(segments[held[0]], segments[held[-1]], segment, settings):
            yield _paragraph(segments, held)
            held = []
        held.append(index)
    if held:
        yield _paragraph(segments, held)


def _ends_paragraph(first: Segment, last: Segment, following: Segment, settings: EnhancerSettings) -> bool:
    """Whether the paragraph from `first` to `last` ends before the segment that follows."""
    long = last.end - first.start > settings.paragraph_seconds and ends_sentence(last.text)
    return long or following.speaker != last.speaker or following.start - last.end > settings.paragraph_pause


def _paragraph(segments: Sequence[Segment], held: Sequence[int]) -> Paragraph:
    first, last = segments[held[0]], segments[held[-1]]
    text = joined(segments[index].text for index in held)
    return Paragraph(start=first.start, end=last.end, speaker=first.speaker, text=text, segments=tuple(held))


def talk_times(turns: Iterable[Turn]) -> tuple[Speaker, ...]:
    """Return every voice with the seconds it talks, in order of label."""
    times: dict[str, float] = {}
    for turn in turns:
        times[turn.speaker] = times.get(turn.speaker, 0.0) + turn.end - turn.start
    return tuple(Speaker(label=label, talk_time=round(times[label], 3)) for label in sorted(times))
