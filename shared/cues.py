"""Cues: a segment's words in lines and times that can be read.

Bounded as the BBC's and Netflix's subtitle guidelines have it: 42 characters a line, two lines a cue, seven seconds at
the most. Characters are counted in columns, as they are seen: a vowel point or an accent takes none, a Chinese,
Japanese or Korean character two (UAX #11).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wcwidth import iter_graphemes, width

from shared.transcript import Segment, Span, Word

LINE = 42
LINES = 2
CUE_SECONDS = 7.0


@dataclass(frozen=True)
class Cue:
    """Lines that are shown from `start` to `end`, in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def cues(segment: Segment, lead: str) -> Iterator[Cue]:
    """Yield the segment's words by cue; `lead` stands before the first one's."""
    said: list[Word] = []
    lines = [lead]
    for word in _words(segment):
        grown = _grown(lines, word.text)
        if said and (len(grown) > LINES or word.end - said[0].start > CUE_SECONDS):
            yield _cue(said, lines)
            said, grown = [], _grown([""], word.text)
        said.append(word)
        lines = grown
    if said:
        yield _cue(said, lines)


def columns(text: str) -> int:
    """Return how much of a line the text takes."""
    return width(text, control_codes="ignore")


def _cue(said: Sequence[Word], lines: Sequence[str]) -> Cue:
    end = min(said[-1].end, said[0].start + CUE_SECONDS)
    return Cue(said[0].start, end, tuple(line.strip() for line in lines))


def _grown(lines: Sequence[str], text: str) -> list[str]:
    """Return the lines with a word behind them, on a line of its own if it would make the last one too long."""
    *whole, last = lines
    word = " ".join(text.split())
    spaced = f" {word}" if text[:1].isspace() and not last.endswith(" ") else word
    if last and columns(last + spaced) > LINE:
        return [*lines, word]
    return [*whole, last + spaced if last else word]


def _words(segment: Segment) -> Iterator[Word]:
    """Yield the segment's words, and what is longer than a line character by character: it has no spaces."""
    for word in segment.words or _spread(segment, [f" {word}" for word in segment.text.split()]):
        if columns(word.text) > LINE:
            yield from _spread(word, list(iter_graphemes(word.text)))
        elif word.text.strip():
            yield word


def _spread(span: Span, texts: Sequence[str]) -> Iterator[Word]:
    """Yield the texts as words one after the other in the span, each with time in proportion to its letters."""
    letters, at = sum(map(len, texts)), span.start
    for text in texts:
        end = min(at + len(text) / letters * (span.end - span.start), span.end)
        yield Word(start=at, end=end, text=text, probability=1.0)
        at = end
