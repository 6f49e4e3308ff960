"""The enhancer: every word keeps its place and gets its speaker, and the result document says it all."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.enhancer.segments import paragraphs, talk_times, with_speakers
from services.enhancer.settings import EnhancerSettings
from services.enhancer.speakers import Voices
from services.enhancer.stage import enhance, plain
from shared.blobs import ObjectStore
from shared.clock import now
from shared.jobs.document import Facts, StepRecord
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.mesh.work import Work
from shared.topology import Stage
from shared.transcript import ChunkText, Diarization, HeardPiece, Segment, Span, Transcript, Turn, Word
from tests.fakes.jobs import new_job, prepared

SETTINGS = EnhancerSettings()

# In parts of a second that floats hold exactly: what lies on a border lies there however it is computed.
spans = st.tuples(st.integers(0, 12_800), st.integers(1, 640)).map(lambda at: (at[0] / 128, sum(at) / 128))
turns = st.lists(st.builds(lambda at, who: Turn(start=at[0], end=at[1], speaker=who), spans, st.sampled_from("AB")))
words = st.lists(
    st.builds(lambda at, text: word(at[0], at[1], f" {text}"), spans, st.text("abש", min_size=1)), min_size=1
)


def word(start: float, end: float, text: str = " w") -> Word:
    """Return a word that the model is sure of."""
    return Word(start=start, end=end, text=text, probability=1.0)


def segment(*said: Word) -> Segment:
    """Return a segment of words."""
    return Segment(start=said[0].start, end=said[-1].end, text="".join(each.text for each in said).strip(), words=said)


def turn(start: float, end: float, speaker: str) -> Turn:
    """Return a turn."""
    return Turn(start=start, end=end, speaker=speaker)


@given(turns=turns, said=words)
def test_every_word_is_kept_once_in_order_and_each_segment_has_one_speaker(turns: list[Turn], said: list[Word]) -> None:
    """Cutting at speakers loses, repeats and moves no word."""
    cut = list(with_speakers([segment(*said)], Voices(turns, 1.0)))
    assert [each.text for piece in cut for each in piece.words] == [each.text for each in said]
    assert all({each.speaker for each in piece.words} == {piece.speaker} for piece in cut)
    assert all(piece.text == "".join(each.text for each in piece.words).strip() for piece in cut)


@given(turns=turns, at=spans)
def test_the_voice_is_the_one_that_a_look_at_every_turn_would_find(turns: list[Turn], at: tuple[float, float]) -> None:
    """The search by slots agrees with the one that looks at all."""
    found = Voices(turns, 1.0).of(Span(start=at[0], end=at[1]))
    shares: dict[str, float] = {}
    for each in turns:
        shared = min(at[1], each.end) - max(at[0], each.start)
        if shared > 0:
            shares[each.speaker] = shares.get(each.speaker, 0) + shared
    if shares:
        assert found is not None
        assert shares[found] == pytest.approx(max(shares.values()))
    else:
        near = [each for each in turns if each.start - at[1] < 1.0 and at[0] - each.end <= 1.0]
        assert (found is not None) == bool(near)


def test_a_turn_through_the_whole_recording_makes_no_word_look_at_all_the_others() -> None:
    """Among a thousand short turns there are a few near each word, and the long one."""
    voices = Voices([turn(0, 4_000, "A"), *(turn(at, at + 3, "B") for at in range(0, 4_000, 4))], 1.0)
    assert [len(list(voices._near(Span(start=at, end=at + 0.3)))) for at in (1, 2_001, 3_990)] == [2, 2, 2]
    assert max(map(len, voices._slots.values())) == 4


@pytest.mark.parametrize(
    ("at", "speaker"),
    [((1, 2), "A"), ((4.6, 5.6), "B"), ((4.2, 5.3), "A"), ((8.5, 9), "B"), ((20, 21), None)],
)
def test_a_word_goes_to_the_most_overlap_or_the_nearest_within_reach(
    at: tuple[float, float], speaker: str | None
) -> None:
    """Inside a turn, across two turns, just behind one, and far from any."""
    voices = Voices([turn(0, 5, "A"), turn(5, 8, "B")], 1.0)
    assert voices.of(Span(start=at[0], end=at[1])) == speaker


def test_a_segment_without_words_gets_its_speaker_as_a_whole() -> None:
    """A job that asked for no word times still learns who speaks."""
    (found,) = with_speakers([Segment(start=0, end=4, text="שלום")], Voices([turn(0, 3, "A"), turn(3, 9, "B")], 1.0))
    assert (found.speaker, found.text) == ("A", "שלום")


def test_a_paragraph_ends_with_its_speaker_its_pause_or_its_length() -> None:
    """One voice, no long silence, and no more than a minute once a sentence ends."""
    said = [
        Segment(start=0, end=5, text="One.", speaker="A"),
        Segment(start=5, end=9, text="Two.", speaker="A"),
        Segment(start=9, end=12, text="Three.", speaker="B"),
        Segment(start=15, end=80, text="Four.", speaker="B"),
        Segment(start=80, end=81, text="Five", speaker="B"),
    ]
    read = [(each.text, each.segments) for each in paragraphs(said, SETTINGS)]
    assert read == [("One. Two.", (0, 1)), ("Three.", (2,)), ("Four.", (3,)), ("Five", (4,))]


@pytest.mark.parametrize(
    "said",
    ["यह एक वाक्य है।", "یہ ایک جملہ ہے۔", "Սա նախադասություն է։", "ይህ ዓረፍተ ነገር ነው።", 'He said "yes."', "「はい。」"],
)
def test_a_long_paragraph_ends_with_a_sentence_in_any_script(said: str) -> None:
    """What ends a sentence for the transcriber does for the reader, or hours would be one paragraph."""
    segments = [Segment(start=at * 70.0, end=at * 70.0 + 69, text=said, speaker="A") for at in range(3)]
    assert [each.segments for each in paragraphs(segments, SETTINGS)] == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (("今日は。", "はい。", "ＯＫ！"), "今日は。はい。ＯＫ！"),
        (("你好。", "OK.", "再见。"), "你好。 OK. 再见。"),
        (("네", "", "그래요"), "네 그래요"),
        (("สวัสดีครับ", "ขอบคุณ"), "สวัสดีครับ ขอบคุณ"),
    ],
)
def test_sentences_stand_apart_as_their_script_has_it(said: tuple[str, ...], text: str) -> None:
    """Chinese and Japanese have no space behind a full stop; Korean and Thai have one between sentences."""
    segments = [Segment(start=at, end=at + 1, text=each) for at, each in enumerate(said)]
    assert [each.text for each in paragraphs(segments, SETTINGS)] == [text]


def test_talk_times_are_the_turns_lengths() -> None:
    """Each voice is listed with the seconds of its turns."""
    found = talk_times([turn(0, 2, "B"), turn(1, 2.5, "A"), turn(4, 5, "B")])
    assert [(each.label, each.talk_time) for each in found] == [("A", 1.5), ("B", 3.0)]


def work(chunks: int = 2) -> Work:
    """Return the enhancer's work on a job of some chunks, given out of order."""
    moved = new_job(metadata={"k": "v"})
    start = now()
    record = StepRecord(state=StepState.DONE, queued=start, started=start, ended=start + timedelta(seconds=2))
    facts = Facts(duration=20.0, language="he", language_probability=0.9, chunks=chunks)
    job = moved.job.model_copy(
        update={"facts": facts, "warnings": ("a warning",), "steps": {"transcriber-0": record, "transcriber-1": record}}
    )
    texts = [
        ChunkText(
            index=index,
            language="he",
            language_probability=0.9,
            segments=(segment(word(index * 10.0, index * 10.0 + 1, f" מילה{index}")),),
            model="base",
            versions={"faster-whisper": "1"},
        )
        for index in range(chunks)
    ]
    voices = Diarization(turns=(turn(0, 5, "A"), turn(9, 12, "B")), model="offline", versions={"torch": "2"})
    inputs: dict[Stage, tuple[Any, ...]] = {
        Stage.DOWNLOADER: (prepared(chunks),),
        Stage.TRANSCRIBER: tuple(reversed(texts)),
        Stage.DIARIZER: (HeardPiece(heard="jobs/t/j/heard.0.1.npz"), voices),
    }
    return Work(job, Step(job.id, Stage.ENHANCER), 3, inputs)


async def test_the_result_document_holds_all_that_is_known(tmp_path: Path) -> None:
    """Text in order, voices, language, warnings, metadata, models, versions and timings, under the attempt's key."""
    blobs, asked = ObjectStore(f"file://{tmp_path}"), work()
    made = await enhance(asked, SETTINGS, blobs)
    found = Transcript.model_validate_json(await blobs.get(made.transcript))
    assert made.transcript == f"jobs/acme/{asked.job.id}/transcript.3.json"
    assert (made.words, made.speakers) == (2, 2)
    assert found.text == "מילה0\nמילה1"
    assert [each.speaker for each in found.segments] == ["A", "B"]
    assert (found.language, found.duration, found.warnings) == ("he", 20.0, ("a warning",))
    assert found.metadata == {"k": "v"}
    assert found.models == {"transcriber": "base", "diarizer": "offline"}
    assert found.versions == {"faster-whisper": "1", "torch": "2"}
    assert found.timings == {"transcriber": 2.0}


async def test_what_stands_in_writes_the_same_document_without_speakers(tmp_path: Path) -> None:
    """When enhancing is given up on, the words are still there."""
    blobs, asked = ObjectStore(f"file://{tmp_path}"), work()
    made = await plain(asked, SETTINGS, blobs)
    found = Transcript.model_validate_json(await blobs.get(made.transcript))
    assert found.text.split() == ["מילה0", "מילה1"]
    assert found.speakers == ()


async def test_a_recording_without_speech_has_an_empty_transcript(tmp_path: Path) -> None:
    """No chunks make no text, and the document is still whole."""
    blobs = ObjectStore(f"file://{tmp_path}")
    made = await enhance(work(0), SETTINGS, blobs)
    found = Transcript.model_validate_json(await blobs.get(made.transcript))
    assert (found.text, found.segments, found.paragraphs) == ("", (), ())
