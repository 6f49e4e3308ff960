"""Messages: what is wrong is named, what is right is kept, and all of it is small."""

from typing import Any
from uuid import uuid4

import bson
import pytest
from bson.codec_options import CodecOptions
from faster_whisper.tokenizer import _LANGUAGE_CODES
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.intake.stage import ID_LETTERS
from shared import events
from shared.clock import now
from shared.events import LETTERS, completed, failed, rejected
from shared.jobs.document import Fact, Facts, Job
from shared.jobs.rows import to_job, to_row
from shared.languages import WHISPER_LANGUAGES
from shared.messages import FIELD_LETTERS, MOST_ERRORS, Diagnosis, Event, FieldError, StepMessage, Submit
from shared.metadata import METADATA_BYTES, METADATA_LEVELS
from shared.topology import EXCHANGES, LADDER, QUEUES, Happening, Lane, Stage, rung_for, work_queue
from shared.transcript import ChunkText, Segment
from tests.fakes.jobs import new_job

URL = {"url": "https://example.org/a.mp3"}
UNSENDABLE = [
    {"Host": "inner"},
    {"X": "a\r\nY: b"},
    {"X": "a\n"},
    {"X Y": "a"},
    {"": "a"},
    {"Transfer-Encoding": "x"},
    {"Content-Length": "3"},
]
"""A job says who it is with headers, not how HTTP works."""

HEADERS_BEYOND = {"source": {**URL, "headers": dict.fromkeys(map(str, range(21)), "")}}


def submit(**fields: Any) -> Submit:
    """Return a submit message with the fields given."""
    return Submit.model_validate({"id": str(uuid4()), "source": URL, **fields})


def nested(levels: int) -> dict[str, Any]:
    """Return an object that holds lists inside each other."""
    inside: Any = "x"
    for _ in range(levels - 1):
        inside = [inside]
    return {"a": inside}


def wrong_fields(**fields: Any) -> set[str]:
    """Return the names of the fields that a submit message is refused for."""
    with pytest.raises(ValidationError) as refused:
        submit(**fields)
    return {".".join(map(str, error["loc"])) for error in refused.value.errors()}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"id": "17"}, "id"),
        ({"language": "klingon"}, "language"),
        ({"beam_size": 0}, "beam_size"),
        ({"tenant": "A.B"}, "tenant"),
        ({"priority": "now"}, "priority"),
        ({"source": {"url": "file:///etc/passwd"}}, "source.url"),
        ({"source": {"url": "https://me:secret@example.org/"}}, "source.url"),
        ({"source": {"url": "https://me@example.org/"}}, "source.url"),
        ({"source": {"url": "https:///a.mp3"}}, "source.url"),
        ({"source": {"url": "https://example.org:99999/a.mp3"}}, "source.url"),
        ({"source": {"url": "https://[::1/a.mp3"}}, "source.url"),
        ({"source": {"url": "https://][@"}}, "source.url"),
        ({"source": {"url": "https://[-1|: :]/a.mp3"}}, "source.url"),
        ({"source": {"url": "https://[v1.::1]/a.mp3"}}, "source.url"),
        ({"source": {"url": "https://[me]@/a.mp3"}}, "source.url"),
        ({"source": {}}, "source"),
        ({"source": {"object": "uploads/default/a", "headers": {"a": "b"}}}, "source"),
        ({"source": {**URL, "object": "uploads/default/a"}}, "source"),
        *(({"source": {**URL, "headers": header}}, "source.headers") for header in UNSENDABLE),
        ({"source": {"object": "../../etc/passwd"}}, "source.object"),
        ({"source": {"object": "uploads/default/../x"}}, "source.object"),
        ({"model": "../models"}, "model"),
        ({"model": "/etc"}, "model"),
        ({"temperature": [0.0, 2.0]}, "temperature.1"),
        ({"metadata": {"x": "y" * METADATA_BYTES}}, "metadata"),
        ({"metadata": {"a": [{"$ref": "a", "$id": 1}]}}, "metadata"),
        ({"metadata": {"a\0b": 1}}, "metadata"),
        ({"metadata": {"a": 2**63}}, "metadata"),
        ({"metadata": {"a": float("nan")}}, "metadata"),
        ({"metadata": nested(METADATA_LEVELS + 1)}, "metadata"),
        ({"min_speakers": 4, "max_speakers": 2}, ""),
        ({"num_speakers": 9, "max_speakers": 2}, ""),
        ({"webhooks": [{"url": "ftp://example.org"}]}, "webhooks.0.url"),
        ({"webhooks": [{"url": f"https://{'a' * 64}.org"}]}, "webhooks.0.url"),
        ({"webhooks": [{"url": "https://example..org"}]}, "webhooks.0.url"),
        ({"webhooks": [{"url": "https://example.org", "events": ["progress"]}]}, "webhooks.0.events"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], named: str) -> None:
    """A message is refused for exactly the field that is wrong."""
    assert wrong_fields(**fields) == {named}


@pytest.mark.parametrize(
    ("most", "beyond", "named"),
    [
        ({"tenant": "t" * 63}, {"tenant": "t" * 64}, "tenant"),
        ({"idempotency_key": "k" * 200}, {"idempotency_key": "k" * 201}, "idempotency_key"),
        ({"source": {**URL, "headers": dict.fromkeys(map(str, range(20)), "")}}, HEADERS_BEYOND, "source.headers"),
        ({"hotwords": "w" * 500}, {"hotwords": "w" * 501}, "hotwords"),
        ({"initial_prompt": "w" * 1_000}, {"initial_prompt": "w" * 1_001}, "initial_prompt"),
        ({"temperature": 1}, {"temperature": [0, 1.01]}, "temperature.1"),
        ({"temperature": 0}, {"temperature": [0, -0.01]}, "temperature.1"),
        ({"temperature": (0.5,) * 6}, {"temperature": (0.5,) * 7}, "temperature"),
        ({"beam_size": 20}, {"beam_size": 21}, "beam_size"),
        ({"beam_size": 1}, {"beam_size": 0}, "beam_size"),
        ({"num_speakers": 50}, {"num_speakers": 51}, "num_speakers"),
        ({"min_speakers": 1}, {"min_speakers": 0}, "min_speakers"),
        ({"min_speakers": 2, "max_speakers": 2, "num_speakers": 2}, {"num_speakers": 1, "min_speakers": 2}, ""),
        ({"retention_days": 3650}, {"retention_days": 3651}, "retention_days"),
        ({"retention_days": 1}, {"retention_days": 0}, "retention_days"),
        ({"webhooks": [URL] * 8}, {"webhooks": [URL] * 9}, "webhooks"),
        ({"metadata": {"x": "y" * (METADATA_BYTES - 8)}}, {"metadata": {"x": "y" * (METADATA_BYTES - 7)}}, "metadata"),
        ({"vad": {"padding": 2}}, {"vad": {"padding": 2.1}}, "vad.padding"),
        ({"vad": {"min_silence": 0.05}}, {"vad": {"min_silence": 0}}, "vad.min_silence"),
        ({"vad": {"threshold": 0.99}}, {"vad": {"threshold": 1}}, "vad.threshold"),
    ],
)
def test_a_field_may_have_as_much_as_is_told_and_no_more(
    most: dict[str, Any], beyond: dict[str, Any], named: str
) -> None:
    """The bounds are those of the documentation: what reaches one is taken, what goes beyond is refused by name."""
    submit(**most)
    assert wrong_fields(**beyond) == {named}


@pytest.mark.parametrize(
    "metadata",
    [
        nested(METADATA_LEVELS),
        {"a.b": -(2**63), "": [{}, None, True, 0.5], "_id": "\0", "price in $": "$ref"},
        {"in milliseconds": 1_764_144_000_000, "most": 2**63 - 1},
    ],
)
def test_metadata_that_a_document_can_hold_come_back_from_it(metadata: dict[str, Any]) -> None:
    """Any other JSON is the publisher's own, whatever its names are."""
    job = new_job(metadata=metadata).job
    assert to_job(bson.decode(bson.encode(to_row(job)), CodecOptions(tz_aware=True))).options.metadata == metadata
    assert submit(metadata=metadata).metadata == metadata


def test_every_wrong_field_is_named_at_once() -> None:
    """A publisher need not mend a message one field at a time."""
    assert wrong_fields(colour="red", beam_size=0, language="xx") == {"colour", "beam_size", "language"}


@pytest.mark.parametrize(
    ("priority", "amqp", "lane"),
    [
        (None, None, Lane.NORMAL),
        (None, 0, Lane.NORMAL),
        (None, 3, Lane.URGENT),
        (None, 255, Lane.URGENT),
        ("background", 3, Lane.BACKGROUND),
        ("high", 0, Lane.HIGH),
    ],
)
def test_the_lane_comes_from_the_body_then_the_property(priority: str | None, amqp: int | None, lane: Lane) -> None:
    """The body's word wins over the AMQP priority; without either the lane is normal."""
    assert submit(priority=priority).lane(amqp) is lane


@pytest.mark.parametrize("wrong", [2, 1.01, [2], []])
def test_a_wrong_temperature_is_one_error(wrong: Any) -> None:
    """What is wrong with a single one is not said twice, nor that there are none without there being none."""
    with pytest.raises(ValidationError) as refused:
        submit(temperature=wrong)
    assert len(refused.value.errors()) == 1


def test_one_temperature_is_a_list_of_one() -> None:
    """A publisher may give a single number."""
    assert submit(temperature=0.4).temperature == (0.4,)


@given(st.lists(st.one_of(st.text(max_size=400), st.text('"\\\x01', max_size=400)), max_size=60))
def test_segments_travel_in_events_under_four_kilobytes_and_none_is_lost(texts: list[str]) -> None:
    """However long the chunk, each of its events is small, and together they carry every segment in order."""
    segments = tuple(Segment(start=i, end=i + 1.0, text=text) for i, text in enumerate(texts))
    output = ChunkText(index=0, language="he", language_probability=1, segments=segments, model="m")
    bodies = [body for _, body in events.segments(output)]
    assert [row["text"] for body in bodies for row in body["segments"]] == texts
    assert all(len(_event(body)) < 4096 for body in bodies)


@pytest.mark.parametrize("letter", ["w", "ש", "\N{WINKING FACE}", "\x01"])
def test_the_event_of_an_end_stays_small_whatever_the_job_carries(letter: str) -> None:
    """The largest metadata, the longest names and words of any letters still make an event under four kilobytes."""
    facts = {"transcript": f"jobs/{'t' * 63}/{uuid4()}/transcript.1.json", "language_probability": 0.123456789012345}
    metadata = {"k": "x" * (METADATA_BYTES - 10)}
    carried = {"tenant": "t" * 63, "warnings": (letter * 1000,) * 50, "error": letter * 1000}
    job = new_job(metadata=metadata).job.but(**carried, facts=Facts(duration=43_200.0, chunks=240, words=1, **facts))
    for end in (completed(job), failed(job)):
        assert len(_event(end[1], job)) < 4096
        assert (end[1].get("error") or end[1]["warnings"][0]) == letter * LETTERS


def test_a_completed_job_is_told_with_the_same_fields_though_nothing_was_said() -> None:
    """A silent recording has no language, and a consumer finds that out in the body rather than by a missing field."""
    silent = Facts(duration=10.0, chunks=0, transcript="jobs/t/j/transcript.1.json", words=0, speakers=0)
    _, body = completed(new_job().job.but(facts=silent))
    assert (body["language"], body["language_probability"]) == (None, None)
    assert body.keys() == {*Facts.model_fields, "warnings", "metadata"}


@pytest.mark.parametrize("letter", ["w", "ש", "\x01"])
def test_the_event_of_a_wrong_message_stays_small_and_names_the_first_fields(letter: str) -> None:
    """However many fields a publisher made up, and however long their names are."""
    made_up = [{"loc": (letter * 1000, number), "msg": "Extra inputs are not permitted"} for number in range(1000)]
    errors = FieldError.named(made_up)
    assert (len(errors), errors[0].field) == (MOST_ERRORS, letter * FIELD_LETTERS)
    _, body = rejected([each.model_dump() for each in errors], letter * (255 // len(letter.encode())))
    assert len(_event(body, new_job().job.but(id=letter * ID_LETTERS, tenant="t" * 63))) < 4096
    assert body["errors"][0] == errors[0].model_dump()


def _event(body: dict[str, Any], job: Job | None = None) -> bytes:
    fact = Fact(sequence=1, happening=Happening.SEGMENTS, at=now(), body=body)
    return Event.of(job or new_job().job, fact).model_dump_json().encode()


def test_a_diagnosis_reads_back_from_its_headers() -> None:
    """A dead letter's headers hold the whole diagnosis."""
    why = Diagnosis(stage=Stage.DIARIZER, reason="odd", attempts=3, job="j", part=0, worker="w", at=now())
    assert Diagnosis.read({**why.headers(), "other": 1}) == why


def test_a_step_message_is_a_few_bytes() -> None:
    """A wake-up carries ids alone."""
    message = StepMessage(job=str(uuid4()), stage=Stage.TRANSCRIBER, part=1234)
    assert len(message.model_dump_json()) < 120


def test_the_languages_are_those_of_the_tokenizer() -> None:
    """No language that Whisper knows is refused, and none that it does not is taken."""
    assert set(_LANGUAGE_CODES) == WHISPER_LANGUAGES


def test_every_binding_is_to_a_declared_exchange() -> None:
    """The topology is closed: bindings, dead-letter and alternate exchanges all exist."""
    names = {exchange.name for exchange in EXCHANGES}
    bound = {binding.exchange for queue in QUEUES for binding in queue.bindings}
    dead = {
        str(queue.arguments["x-dead-letter-exchange"])
        for queue in QUEUES
        if "x-dead-letter-exchange" in queue.arguments
    }
    alternate = {exchange.alternate for exchange in EXCHANGES if exchange.alternate}
    assert bound | dead | alternate <= names
    assert len({queue.name for queue in QUEUES}) == len(QUEUES)


def test_every_work_queue_has_a_priority_per_lane() -> None:
    """Four lanes, four priorities."""
    assert {work_queue(stage).arguments["x-max-priority"] for stage in Stage} == {len(Lane) - 1}


def test_a_delay_takes_the_shortest_rung_that_is_long_enough() -> None:
    """No step comes back before its delay, but for delays past the ladder's end."""
    assert [rung_for(delay).seconds for delay in (0, 10, 11, 61, 9999)] == [10, 10, 60, 300, LADDER[-1].seconds]
