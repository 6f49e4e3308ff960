"""Captions: what was said, in cues that can be read, in forms that other programs take."""

import re
from collections.abc import Callable
from itertools import accumulate, pairwise

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.captions import to_srt, to_txt, to_vtt
from shared.cues import CUE_SECONDS, LINE, LINES, columns
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


@pytest.mark.parametrize("letter", ["語", "ที่", "한", "א", "ក"])
def test_a_language_without_spaces_is_cut_into_lines_that_can_be_read(letter: str) -> None:
    """Lines are as long as they look: a Chinese letter takes the room of two, a Thai vowel above its letter none."""
    words = tuple(Word(start=at / 100, end=(at + 1) / 100, text=letter, probability=1.0) for at in range(200))
    segment = Segment(start=0, end=2, text=letter * 200, words=words, speaker="SPEAKER_00")
    cues = [cue.plaintext.split("\n") for cue in pysubs2.SSAFile.from_string(to_srt(transcript(segment)), "srt")]
    assert sum(line.count(letter) for cue in cues for line in cue) == 200
    assert max(len(cue) for cue in cues) == LINES
    assert [columns(line) for cue in cues[1:-1] for line in cue] == [LINE] * LINES * (len(cues) - 2)


@pytest.mark.parametrize("named", [True, False])
def test_a_word_longer_than_a_line_is_cut_between_its_letters_and_has_no_endless_cue(named: bool) -> None:
    """Khmer comes as one word a sentence; no vowel is parted from its letter, and each piece has its time."""
    said = " " + "ក្កុំ" * 100
    word = Word(start=0, end=30, text=said, probability=1.0)
    speaker = "SPEAKER_00" if named else None
    text = to_srt(transcript(Segment(start=0, end=30, text=said, words=(word,), speaker=speaker)))
    cues = pysubs2.SSAFile.from_string(text, "srt")
    lines = [line.removeprefix("SPEAKER_00: ") for cue in cues for line in cue.plaintext.split("\n")]
    assert "".join(lines) == said.strip()
    assert {line[0] for line in lines} == {"ក"}
    assert max(map(columns, lines)) <= LINE
    assert all(cue.end - cue.start <= CUE_SECONDS * 1000 for cue in cues)


def test_a_word_that_seems_to_last_for_ever_is_shown_for_seconds() -> None:
    """An aligner may stretch a word over the music behind it."""
    word = Word(start=1, end=21, text=" so", probability=1.0)
    text = to_srt(transcript(Segment(start=1, end=21, text="so", words=(word,))))
    (cue,) = pysubs2.SSAFile.from_string(text, "srt")
    assert (cue.start, cue.end) == (1_000, 8_000)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("שלום לכם.", "\u200fSPEAKER_00: שלום לכם."),
        ("iPhone הוא מכשיר.", "\u200fSPEAKER_00: iPhone הוא מכשיר."),
        ("Hello, world.", "SPEAKER_00: Hello, world."),
    ],
)
def test_a_line_of_hebrew_is_read_from_the_right_whatever_stands_first(said: str, line: str) -> None:
    """Players and editors go by a line's first letter; a mark that is not seen stands before one of another direction.

    A line that begins in Hebrew needs none, nor does what is not Hebrew at all.
    """
    made = transcript(spoken(said))
    assert to_srt(made).split("\n")[2] == line
    assert to_txt(made).startswith("\u200f[") == line.startswith("\u200f")
    hebrew = transcript(spoken(said), spoken(said))
    assert to_srt(hebrew).split("\n")[6].startswith("\u200f") == said.startswith("iPhone")


def test_only_a_recording_in_such_a_language_has_marks() -> None:
    """An English sentence that quotes a Hebrew word stays English."""
    english = transcript(spoken("The word שלום means peace.")).model_copy(update={"language": "en"})
    assert "\u200f" not in to_srt(english) + to_vtt(english) + to_txt(english)


@pytest.mark.parametrize(("second", "line"), [("3500 שקלים", "3500 שקלים"), ("Windows אתמול", "\u200fWindows אתמול")])
def test_each_line_of_a_cue_has_the_direction_of_the_whole(second: str, line: str) -> None:
    """Each is laid out by itself, by its first letter; a number in front of Hebrew letters does no harm."""
    said = f"המכשיר החדש של החברה יעלה בארץ כנראה עד {second}"
    (cue,) = pysubs2.SSAFile.from_string(to_vtt(transcript(spoken(said))), "vtt")
    assert cue.plaintext.split("\n")[1] == line


PIECES = [
    " שלום",
    " שָׁלוֹם",
    ' צה"ל',
    " iPhone",
    " 3.5",
    "語",
    "ที่",
    "你好。",
    " 👨\u200d👩\u200d👧",
    " a\nb",
    " " + "x" * 60,
    " مرحبا",
]


@given(st.lists(st.tuples(st.sampled_from(PIECES), st.integers(0, 2_000), st.sampled_from("AB")), max_size=60))
def test_captions_of_any_scripts_keep_every_letter_in_lines_and_times_that_players_take(
    said: list[tuple[str, int, str]],
) -> None:
    """Cues are in order, none beside the next but by the moment that each is shown for, and no line is too long."""
    ends = list(accumulate((length for _, length, _ in said), initial=0))
    made = transcript(
        *(
            Segment(start=start / 1000, end=end / 1000, text=text.strip(), words=(word,), speaker=speaker)
            for (text, _, speaker), (start, end) in zip(said, pairwise(ends), strict=True)
            for word in [Word(start=start / 1000, end=end / 1000, text=text, probability=1.0)]
        )
    )
    cues = list(pysubs2.SSAFile.from_string(to_vtt(made), "vtt"))
    shown = "".join(cue.plaintext for cue in cues)
    assert re.sub(r"[\s\u200f]", "", shown) == re.sub(r"\s", "", "".join(text for text, *_ in said))
    assert all(columns(line) <= LINE for cue in cues for line in cue.plaintext.split("\n"))
    assert all(0 < cue.end - cue.start <= CUE_SECONDS * 1000 for cue in cues)
    assert all(cue.end <= following.start + 1 for cue, following in pairwise(cues))


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


@pytest.mark.parametrize(
    ("words", "times"),
    [
        ([("one", 1.0, 2.0), ("two", 7.0, 10.0)], [(1_000, 2_000), (7_000, 10_000)]),
        ([("one", 1.0, 2.0), ("two", 5.0, 8.0)], [(1_000, 8_000)]),
    ],
)
def test_a_word_that_ends_more_than_seven_seconds_behind_a_cues_start_begins_the_next_one(
    words: list[tuple[str, float, float]], times: list[tuple[int, int]]
) -> None:
    """It is read when it is said, not seconds before."""
    said = tuple(Word(start=start, end=end, text=f" {text}", probability=1.0) for text, start, end in words)
    text = to_srt(transcript(Segment(start=1, end=10, text="one two", words=said)))
    assert [(cue.start, cue.end) for cue in pysubs2.SSAFile.from_string(text, "srt")] == times


def test_without_word_times_a_segments_time_is_shared_out_by_letters() -> None:
    """A word of nine letters and one of twenty-nine, each with its space, have a quarter and three quarters of it."""
    text = to_srt(transcript(Segment(start=10, end=30, text=f"{'a' * 9} {'b' * 29}")))
    cues = pysubs2.SSAFile.from_string(text, "srt")
    assert [(cue.start, cue.end) for cue in cues] == [(10_000, 15_000), (15_000, 22_000)]


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


def test_a_short_word_can_be_read() -> None:
    """A cue of a tenth of a second would only flash; it is shown for longer, but not beside the next one."""
    short = [
        Segment(start=at, end=at + 0.1, text="yes", words=(Word(start=at, end=at + 0.1, text=" yes", probability=1.0),))
        for at in (5.0, 5.25, 9.0)
    ]
    cues = pysubs2.SSAFile.from_string(to_vtt(transcript(*short)), "vtt")
    assert [(cue.start, cue.end) for cue in cues] == [(5_000, 5_250), (5_250, 6_083), (9_000, 9_833)]


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


@pytest.mark.parametrize(("render", "empty"), [(to_srt, ""), (to_vtt, "WEBVTT\n\n"), (to_txt, "")])
def test_a_recording_without_speech_has_captions_without_cues(render: Callable[[Transcript], str], empty: str) -> None:
    """Nothing was said, which is no failure."""
    assert render(transcript()) == empty


def test_a_line_break_that_a_model_wrote_is_a_space() -> None:
    """A paragraph is one line, and a cue has no empty one, at which it would end."""
    word = Word(start=0, end=1, text=" one\n\ntwo", probability=1.0)
    made = transcript(Segment(start=0, end=1, text="one\n\ntwo", words=(word,)))
    assert to_txt(made) == "[00:00:00] one two\n"
    assert to_vtt(made).endswith("\none two\n\n")


def test_plain_text_has_a_line_a_paragraph_with_time_and_speaker() -> None:
    """Hours, minutes and seconds of the start, then who, then what."""
    assert to_txt(transcript(spoken("hello there", 3_725.9))) == "[01:02:05] SPEAKER_00: hello there\n"
