"""The transcript as captions (SRT, WebVTT) and as plain text, rendered with pysubs2.

Lines and cues are bounded as the BBC's and Netflix's subtitle guidelines have it: 42 characters a line, two lines a
cue, seven seconds at the most.
"""

import html
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence

from pysubs2 import SSAEvent, SSAFile

from shared.transcript import Segment, Transcript, Word

LINE = 42
LINES = 2
CUE_SECONDS = 7.0

SHORTEST = 833
"""Milliseconds of a cue whose words have no length: five sixths of a second, the shortest in Netflix's guidelines."""

BACKSLASH = "\ufdd0"
"""Stands for a backslash, of which pysubs2 would make line breaks, while it writes: no text has it (Unicode, 23.7)."""

Lead = Callable[[Segment], str]
Shown = Callable[[Segment, str], str]


def to_srt(transcript: Transcript) -> str:
    """Return the transcript as SubRip; a cue names its speaker where the speaker changes."""
    return _render(transcript, "srt", _name, lambda _, said: said)


def to_vtt(transcript: Transcript) -> str:
    """Return the transcript as WebVTT; every cue carries its speaker in a voice tag."""
    return _render(transcript, "vtt", lambda _: "", _voiced)


def to_txt(transcript: Transcript) -> str:
    """Return a line a paragraph: when it starts, who speaks, what is said."""
    lines = (
        f"[{_clock(each.start)}] {f'{each.speaker}: ' if each.speaker else ''}{each.text}"
        for each in transcript.paragraphs
    )
    return "".join(f"{line}\n" for line in lines)


def _render(transcript: Transcript, form: str, lead: Lead, shown: Shown) -> str:
    file, last = SSAFile(), None
    for segment in transcript.segments:
        before = lead(segment) if segment.speaker != last else ""
        for cue in _cues(segment, before):
            if lines := _lines(cue, before):
                start, end = round(cue[0].start * 1000), round(cue[-1].end * 1000)
                said = r"\N".join(line.replace("\\", BACKSLASH) for line in lines)
                file.append(SSAEvent(start=start, end=end, text=shown(segment, said)))
                before, last = "", segment.speaker
    _lengthen(file)
    # What looks like an SSA override tag is somebody's words: it stays.
    return file.to_string(form, keep_ssa_tags=True).replace(BACKSLASH, "\\")


def _lengthen(file: SSAFile) -> None:
    """Give cues without length, which no player shows, a length of SHORTEST, or less where the next one begins."""
    following = [*(each.start for each in file[1:]), math.inf]
    for cue, next_start in zip(file, following, strict=True):
        if cue.end <= cue.start:
            cue.end = int(max(cue.start + 1, min(cue.start + SHORTEST, next_start)))


def _name(segment: Segment) -> str:
    return f"{segment.speaker}: " if segment.speaker else ""


def _voiced(segment: Segment, said: str) -> str:
    escaped = html.escape(said, quote=False)
    return f"<v {segment.speaker}>{escaped}" if segment.speaker else escaped


def _cues(segment: Segment, before: str) -> Iterator[Sequence[Word]]:
    """Yield the segment's words by cue; `before` stands before the first one's."""
    cue: list[Word] = []
    for word in segment.words or _spread(segment):
        if cue and not _fits([*cue, word], before):
            yield cue
            cue, before = [], ""
        cue.append(word)
    if cue:
        yield cue


def _fits(words: Sequence[Word], before: str) -> bool:
    lines = _lines(words, before)
    seconds = words[-1].end - words[0].start
    return len(lines) <= LINES and all(len(line) <= LINE for line in lines) and seconds <= CUE_SECONDS


def _lines(words: Iterable[Word], before: str) -> list[str]:
    said = "".join(word.text for word in words).strip()
    return textwrap.wrap(before + said, LINE, break_long_words=False, break_on_hyphens=False) if said else []


def _spread(segment: Segment) -> Iterable[Word]:
    """Yield the words of a segment that has no word times, each with time in proportion to its letters."""
    total, at = max(len(segment.text), 1), segment.start
    for text in _parted(segment.text):
        end = min(at + len(text) / total * (segment.end - segment.start), segment.end)
        yield Word(start=at, end=end, text=text, probability=1.0)
        at = end


def _parted(text: str) -> Iterator[str]:
    """Yield the words, each with a space before it; one longer than a line, of a script without spaces, by letters."""
    for word in text.split():
        if len(word) > LINE:
            yield f" {word[0]}"
            yield from word[1:]
        else:
            yield f" {word}"


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
