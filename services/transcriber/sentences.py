"""Segments of a readable size: a window's words cut where a sentence ends or the voice rests."""

from collections.abc import Iterator

from shared.languages import ends_sentence
from shared.transcript import Segment, Span, Word

PAUSE_SECONDS = 1.0


def sentences(segment: Segment) -> Iterator[Segment]:
    """Yield the segment cut into sentences, each with the times of its words; one without words stays as it is."""
    if not segment.words:
        yield segment
        return
    run: list[Word] = []
    for word in segment.words:
        if run and (ends_sentence(run[-1].text) or word.start - run[-1].end >= PAUSE_SECONDS):
            yield _of(run, segment)
            run = []
        run.append(word)
    yield _of(run, segment)


def _of(words: list[Word], segment: Segment) -> Segment:
    """Return these words of the segment as a segment of their own."""
    text = "".join(word.text for word in words).strip()
    own = {"start": words[0].start, "end": words[-1].end, "text": text, "words": tuple(words)}
    return segment.model_copy(update=own)


def placed(segment: Segment, window: Span, origin: float) -> Segment:
    """Return the segment `origin` seconds later, its times in order and inside the window (both in seconds).

    An aligner may put a word a little outside what it was given, or before the word in front of it.
    """
    words: list[Word] = []
    floor = window.start
    for word in segment.words:
        start, end = _inside(word, floor, window.end, origin)
        words.append(word.model_copy(update={"start": start, "end": end}))
        floor = end
    start, end = (words[0].start, words[-1].end) if words else _inside(segment, window.start, window.end, origin)
    return segment.model_copy(update={"start": start, "end": end, "words": tuple(words)})


def _inside(span: Span, floor: float, ceiling: float, origin: float) -> tuple[float, float]:
    start = min(max(span.start + origin, floor), ceiling)
    return round(start, 3), round(min(max(span.end + origin, start), ceiling), 3)
