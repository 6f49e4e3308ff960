"""Captions: what was said, in cues that can be read, in forms that other programs take."""

from collections.abc import Callable

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.captions import CUE_SECONDS, LINE, LINES, to_srt, to_txt, to_vtt
from shared.transcript import Paragraph, Segment, Transcript, Word


def transcript(*segments: Segment) -> Transcript:
    """Return a transcript of the segments, each a paragraph."""
    read = tuple(
        Paragraph(start=each.start, end=each.end, speaker=each.speaker, text=each.text, segments=(index,))
        for index, each in enumerate(segments)
    )
    return Transcript(
        job="j",
        text="",
        language="he",
        language_probability=1.0,
        duration=9_999.0,
        segments=segments,
        paragraphs=read,
        speakers=(),
    )


def spoken(text: str, start: float = 0.0, speaker: str | None = "SPEAKER_00") -> Segment:
    """Return a segment that takes half a second a word."""
    words = tuple(
        Word(start=start + i / 2, end=start + i / 2 + 0.5, text=f" {each}", probability=1.0)
        for i, each in enumerate(text.split())
    )
    return Segment(start=start, end=words[-1].end, text=text, words=words, speaker=speaker)


@pytest.mark.parametrize(("form", "render"), [("srt", to_srt), ("vtt", to_vtt)])
def test_captions_read_back_with_their_times_and_text(form: str, render: Callable[[Transcript], str]) -> None:
    """A cue starts and ends with its words."""
    text = render(transcript(spoken("שלום לכולם", 61.5)))
    (cue,) = pysubs2.SSAFile.from_string(text, form)
    assert (cue.start, cue.end) == (61_500, 62_500)
    assert "שלום לכולם" in cue.plaintext


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=30), min_size=1, max_size=120), st.booleans())
def test_no_cue_is_longer_than_can_be_read_and_no_word_is_lost(words: list[str], named: bool) -> None:
    """Two lines of 42 characters and seven seconds bound every cue, who speaks included; every word is there once."""
    speaker = "SPEAKER_00" if named else None
    cues = pysubs2.SSAFile.from_string(to_srt(transcript(spoken(" ".join(words), speaker=speaker))), "srt")
    said = " ".join(cue.plaintext.replace("\n", " ") for cue in cues)
    assert said.removeprefix("SPEAKER_00: ").split() == words
    assert all((cue.end - cue.start) / 1000 <= CUE_SECONDS for cue in cues)
    assert all(len(line) <= LINE for cue in cues for line in cue.plaintext.split("\n"))
    assert all(len(cue.plaintext.split("\n")) <= LINES for cue in cues)


def test_a_language_without_spaces_is_cut_into_lines_that_can_be_read() -> None:
    """There is nothing to fold a line at, so a cue has one line, of no more letters than there may be."""
    words = tuple(Word(start=at / 100, end=(at + 1) / 100, text="語", probability=1.0) for at in range(200))
    segment = Segment(start=0, end=2, text="語" * 200, words=words, speaker="SPEAKER_00")
    lines = [cue.plaintext for cue in pysubs2.SSAFile.from_string(to_srt(transcript(segment)), "srt")]
    assert "".join(lines).count("語") == 200
    assert max(len(part) for line in lines for part in line.split("\n")) <= LINE


def test_a_speaker_is_named_where_it_changes() -> None:
    """In SubRip the name stands before the first words of each turn only."""
    text = to_srt(transcript(spoken("a"), spoken("b", 1), spoken("c", 2, "SPEAKER_01")))
    assert [cue.plaintext for cue in pysubs2.SSAFile.from_string(text, "srt")] == [
        "SPEAKER_00: a",
        "b",
        "SPEAKER_01: c",
    ]


def test_markup_in_what_was_said_is_text_in_webvtt() -> None:
    """Nobody's words end a cue or open a tag."""
    text = to_vtt(transcript(spoken("a <b> & --> {c}")))
    assert "<v SPEAKER_00>a &lt;b&gt; &amp; --&gt; {c}" in text


def test_a_segment_without_word_times_is_still_cut() -> None:
    """Its time is shared out by its letters."""
    long = Segment(start=0, end=30, text="word " * 60, speaker=None)
    cues = pysubs2.SSAFile.from_string(to_srt(transcript(long)), "srt")
    assert len(cues) > 3
    assert cues[-1].end <= 30_000


def test_a_language_without_spaces_is_cut_without_word_times_too() -> None:
    """Thirty seconds of it are not one cue of one endless line."""
    long = Segment(start=0, end=30, text="語" * 200, speaker="SPEAKER_00")
    cues = pysubs2.SSAFile.from_string(to_srt(transcript(long)), "srt")
    assert "".join(cue.plaintext for cue in cues).count("語") == 200
    assert max(len(line) for cue in cues for line in cue.plaintext.split("\n")) <= LINE
    assert all(cue.end - cue.start <= CUE_SECONDS * 1000 for cue in cues)


def test_words_without_length_can_be_read() -> None:
    """To a player a cue that ends when it starts is none; it lasts no longer than up to the next one."""
    short = [
        Segment(start=at, end=at, text="yes", words=(Word(start=at, end=at, text=" yes", probability=1.0),))
        for at in (5.0, 5.25, 9.0)
    ]
    cues = pysubs2.SSAFile.from_string(to_vtt(transcript(*short)), "vtt")
    assert [(cue.start, cue.end) for cue in cues] == [(5_000, 5_250), (5_250, 6_083), (9_000, 9_833)]


@pytest.mark.parametrize("render", [to_srt, to_vtt])
def test_a_backslash_is_only_a_letter(render: Callable[[Transcript], str]) -> None:
    """Nobody's path breaks a line."""
    assert r"C:\new\Hebrew\\host" in render(transcript(spoken(r"C:\new\Hebrew\\host")))


def test_plain_text_has_a_line_a_paragraph_with_time_and_speaker() -> None:
    """Hours, minutes and seconds of the start, then who, then what."""
    assert to_txt(transcript(spoken("hello there", 3_725.9))) == "[01:02:05] SPEAKER_00: hello there\n"
