"""The transcript as captions (SRT, WebVTT) and as plain text, rendered with pysubs2."""

import html
import math
from collections.abc import Callable

from pysubs2 import SSAEvent, SSAFile

from shared.cues import cues
from shared.directions import directed
from shared.transcript import Paragraph, Segment, Transcript

SHORTEST = 833
"""Milliseconds that a cue is shown for, if no other comes before: five sixths of a second, as Netflix's guidelines say.
"""

BACKSLASH = "\ufdd0"
"""Stands for a backslash, of which pysubs2 would make line breaks, while it writes: no text has it (Unicode, 23.7)."""

Lead = Callable[[Segment], str]
Shown = Callable[[Segment, str], str]


def to_srt(transcript: Transcript) -> str:
    """Return the transcript as SubRip; a cue names its speaker where the speaker changes."""
    return _render(transcript, "srt", lambda segment: _called(segment.speaker), lambda _, said: said)


def to_vtt(transcript: Transcript) -> str:
    """Return the transcript as WebVTT; every cue carries its speaker in a voice tag."""
    return _render(transcript, "vtt", lambda _: "", _voiced)


def to_txt(transcript: Transcript) -> str:
    """Return a line a paragraph: when it starts, who speaks, what is said."""
    return "".join(f"{_line(each, transcript.language)}\n" for each in transcript.paragraphs)


def _render(transcript: Transcript, form: str, lead: Lead, shown: Shown) -> str:
    file, last = SSAFile(), None
    for segment in transcript.segments:
        before = lead(segment) if segment.speaker != last else ""
        for cue in cues(segment, before):
            lines = (directed(line, segment.text, transcript.language) for line in cue.lines)
            said = r"\N".join(line.replace("\\", BACKSLASH) for line in lines)
            start, end = round(cue.start * 1000), round(cue.end * 1000)
            file.append(SSAEvent(start=start, end=end, text=shown(segment, said)))
            last = segment.speaker
    _lengthen(file)
    # What looks like an SSA override tag is somebody's words: it stays.
    return file.to_string(form, keep_ssa_tags=True).replace(BACKSLASH, "\\")


def _lengthen(file: SSAFile) -> None:
    """Give cues that are too short to read a length of SHORTEST, or up to the next one: players show none without."""
    following = [*(each.start for each in file), math.inf][1:]
    for cue, next_start in zip(file, following, strict=True):
        cue.end = int(max(cue.end, cue.start + 1, min(cue.start + SHORTEST, next_start)))


def _line(paragraph: Paragraph, language: str | None) -> str:
    said = " ".join(paragraph.text.split())  # a model may write a line break
    return directed(f"[{_clock(paragraph.start)}] {_called(paragraph.speaker)}{said}", said, language)


def _called(speaker: str | None) -> str:
    return f"{speaker}: " if speaker else ""


def _voiced(segment: Segment, said: str) -> str:
    escaped = html.escape(said, quote=False)
    return f"<v {segment.speaker}>{escaped}" if segment.speaker else escaped


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
