"""The gateway: submitting, showing, fetching and cancelling jobs, and whose they are."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic_core import from_json, to_json

from services.gateway.views import view
from shared.clock import now
from shared.jobs import moves
from shared.jobs.document import Job, StepRecord
from shared.jobs.states import JobState, StepState
from shared.messages import SUBMIT_BYTES, Reply, Submit
from shared.topology import SUBMIT_KEY, Happening, Lane, Stage
from shared.transcript import Paragraph, Segment, Transcript
from tests.fakes.gateway import House, gateway
from tests.fakes.jobs import new_job

TOKENS = {"acme": "acme-token-of-some-length", "other": "an-other-tökén-שלום"}
ACME = {"Authorization": f"Bearer {TOKENS['acme']}"}
OTHER = {"Authorization": f"Bearer {TOKENS['other']}"}
SOURCE = {"url": "https://example.org/a.mp3?signature=s3cret", "headers": {"Authorization": "Bearer s3cret"}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Yield a gateway where everybody is one tenant."""
    async with gateway(tmp_path) as open_house:
        yield open_house


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[House]:
    """Yield a gateway of two tenants."""
    async with gateway(tmp_path, TOKENS) as open_house:
        yield open_house


def kept(house: House, state: JobState = JobState.ACCEPTED, **changes: Any) -> Job:
    """Return a job of the default tenant that the store now has."""
    job = new_job().job.model_copy(update={"tenant": "default", "state": state, **changes})
    house.store.jobs[job.id] = job
    return job


async def test_a_job_is_taken_with_an_id_of_its_own(house: House) -> None:
    """Intake has stored it when the answer comes; the id is a UUID of version 7."""
    async with house.http.post("/v1/jobs", json={"source": SOURCE, "priority": "urgent"}) as answer:
        said = await answer.json()
    assert (answer.status, said["state"]) == (202, "accepted")
    assert UUID(said["id"]).version == 7
    job = house.store.jobs[said["id"]]
    assert (job.tenant, job.lane) == ("default", Lane.URGENT)


async def test_the_same_id_twice_is_one_job(house: House) -> None:
    """A client that got no answer may ask again."""
    asked = {"id": str(uuid4()), "source": SOURCE}
    for _ in range(2):
        async with house.http.post("/v1/jobs", json=asked) as answer:
            assert (answer.status, (await answer.json())["id"]) == (202, asked["id"])
    assert list(house.store.jobs) == [asked["id"]]


PAGE = {"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}
"""What a browser says of another site's page that posts without asking first."""


async def test_without_tokens_no_page_of_another_site_is_obeyed(house: House, guarded: House) -> None:
    """A developer's browser reaches the loopback; where there are tokens, no page has one."""
    asked = to_json({"source": SOURCE})
    for way in ("/v1/jobs", "/v1/dead/drop"):
        async with house.http.post(way, data=asked, headers=PAGE) as answer:
            assert (answer.status, "SCRIBE_GATEWAY_TOKENS" in await answer.text()) == (403, True)
    assert not house.store.jobs
    async with house.http.post("/v1/jobs", data=asked, headers={**PAGE, "Sec-Fetch-Site": "same-origin"}) as answer:
        assert answer.status == 202
    async with guarded.http.post("/v1/jobs", data=asked, headers={**PAGE, **ACME}) as answer:
        assert answer.status == 202


async def test_intake_is_asked_for_an_id_as_jobs_are_stored(house: House) -> None:
    """As a UUID may be spelt, it can be longer than a message's name may be."""
    asked, stored = list[str](), str(uuid4())

    class Telling:
        async def ask(self, key: str, message: dict[str, Any]) -> Reply:
            assert key == SUBMIT_KEY
            asked.append(message["id"])
            return Reply(id=message["id"], state="accepted")

    house.intake = Telling()
    async with house.http.post("/v1/jobs", json={"id": "-" * 300 + stored.upper(), "source": SOURCE}) as answer:
        assert (answer.status, asked) == (202, [stored])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"source": {"url": "https://example.org/a"}, "colour": "red"}', "colour"),
        ('{"source": {"url": "https://example.org/a"}, "id": "7"}', "id"),
        (f'{{"source": {{"url": "https://example.org/a"}}, "id": "{"x" * 300}"}}', "id"),
        ('{"source": {"url": "https://example.org/a"}, "tenant": "other"}', "tenant"),
        ("{}", "source"),
        ("[]", "body"),
        ("{", "body"),
        ('{"beam_size": NaN}', "body"),
        ("[" * 60_000, "body"),
        ("", "body"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(house: House, body: str, field: str) -> None:
    """Before intake is asked: nothing that is wrong is published, kept or told to anybody else."""
    async with house.http.post("/v1/jobs", data=body, headers={"Content-Type": "application/json"}) as answer:
        said = await answer.json()
    assert (answer.status, [error["field"] for error in said["errors"]]) == (422, [field])
    assert not house.store.jobs
    assert not house.post.parked


async def test_an_id_that_is_anothers_is_refused_in_intakes_words(guarded: House) -> None:
    """It says no more of the other's job than that the id is taken."""
    asked = {"id": str(uuid4()), "source": SOURCE}
    async with guarded.http.post("/v1/jobs", json=asked, headers=ACME) as answer:
        assert answer.status == 202
    async with guarded.http.post("/v1/jobs", json=asked, headers=OTHER) as answer:
        said = await answer.json()
    assert (answer.status, said["errors"][0]["error"]) == (422, "is taken; choose another UUID")


async def test_a_body_that_is_too_large_is_refused(house: House) -> None:
    """With its limit."""
    async with house.http.post("/v1/jobs", json={"metadata": {"a": "x" * SUBMIT_BYTES}}) as answer:
        assert (answer.status, str(SUBMIT_BYTES) in await answer.text()) == (413, True)


async def test_a_job_is_shown_without_what_is_secret(house: House) -> None:
    """Its state, facts and stages; neither the sealed source nor its headers."""
    async with house.http.post("/v1/jobs", json={"source": SOURCE, "metadata": {"ours": 17}}) as answer:
        job_id = (await answer.json())["id"]
    async with house.http.get(f"/v1/jobs/{job_id.upper()}") as answer:
        text = await answer.text()
    said = from_json(text)
    assert (said["id"], said["state"], said["priority"], said["metadata"]) == (
        job_id,
        "accepted",
        "normal",
        {"ours": 17},
    )
    assert said["stages"]["downloader"]["state"] == "queued"
    assert "s3cret" not in text


def test_a_stage_is_shown_with_its_steps_put_together() -> None:
    """Done, running and dropped steps count for what they are."""
    job, moment = new_job().job, now()
    half = {"transcriber-0": StepRecord(queued=moment, state=StepState.DONE, attempts=2, error="a 503")}
    half["transcriber-1"] = StepRecord(queued=moment, state=StepState.RUNNING, attempts=1, progress=0.5)
    working = job.model_copy(update={"steps": half, "facts": job.facts.model_copy(update={"chunks": 3})})
    shown = view(working).stages[Stage.TRANSCRIBER]
    assert (shown.state, shown.done, shown.total, shown.fraction) == (StepState.RUNNING, 1, 3, 0.5)
    assert (shown.attempts, shown.error) == (3, "a 503")
    assert view(working).stages[Stage.ENHANCER].state is None
    stopped = view(moves.cancel(working, moment, 2).job).stages[Stage.TRANSCRIBER]
    assert (stopped.state, stopped.done) == (StepState.DROPPED, 1)


async def test_what_goes_on_has_not_worked_for_any_time_yet(house: House) -> None:
    """The attempt that was done says how long it waited and worked, the one at work how long it waited."""
    queued = now()
    times = {"queued": queued, "started": queued + timedelta(seconds=2), "attempts": 1}
    done = StepRecord(**times, state=StepState.DONE, ended=queued + timedelta(seconds=5))
    steps = {"downloader-0": done, "transcriber-0": StepRecord(**times, state=StepState.RUNNING)}
    job = kept(house, JobState.RUNNING, steps=steps)
    async with house.http.get(f"/v1/jobs/{job.id}/history") as answer:
        told = [(entry["what"], entry["waited"], entry["worked"]) for entry in await answer.json()]
    assert told == [("done", 2.0, 3.0), ("running", 2.0, None)]


@pytest.mark.parametrize("path", ["", "/transcript", "/events"])
@pytest.mark.parametrize("job", [str(uuid4()), "7", "..%2f"])
async def test_a_job_that_is_not_there_is_not_found(house: House, path: str, job: str) -> None:
    """Nor is what can be no job's id."""
    async with house.http.get(f"/v1/jobs/{job}{path}") as answer:
        assert answer.status == 404


async def test_a_token_opens_the_jobs_of_its_tenant_alone(guarded: House) -> None:
    """Another's job is as unknown as none, whatever is asked of it; nobody's token is told so; any letters will do."""
    async with guarded.http.post("/v1/jobs", json={"source": SOURCE}, headers=ACME) as answer:
        job_id = (await answer.json())["id"]
    assert guarded.store.jobs[job_id].tenant == "acme"
    for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/transcript"), ("DELETE", "")):
        async with guarded.http.request(method, f"/v1/jobs/{job_id}{path}", headers=OTHER) as answer:
            assert answer.status == 404
        async with guarded.http.request(method, f"/v1/jobs/{job_id}{path}") as answer:
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    async with guarded.http.get(f"/v1/jobs/{job_id}", headers={"Authorization": "Bearer wrong"}) as answer:
        assert answer.status == 401
    assert guarded.store.jobs[job_id].state is JobState.ACCEPTED


async def test_a_transcript_can_be_had_in_every_form_once_it_is_made(house: House) -> None:
    """Before that the answer says what the job is doing; after its retention, that it is gone."""
    line = Segment(start=0, end=2, text="shalom", speaker="SPEAKER_00")
    paragraph = Paragraph(start=0, end=2, speaker="SPEAKER_00", text="shalom", segments=(0,))
    said = {"job": "j", "text": "shalom", "language": "he", "language_probability": 1, "duration": 2, "speakers": ()}
    made = Transcript.model_validate({**said, "segments": (line,), "paragraphs": (paragraph,)})
    job = kept(house, JobState.RUNNING)
    facts = job.facts.model_copy(update={"transcript": "jobs/default/j/transcript.1.json"})
    address = f"/v1/jobs/{job.id}/transcript"
    async with house.http.get(address) as answer:
        assert (answer.status, "running" in await answer.text()) == (409, True)
    house.store.jobs[job.id] = job.model_copy(update={"state": JobState.COMPLETED, "facts": facts})
    async with house.http.get(address) as answer:
        assert answer.status == 410
    await house.desk.blobs.put("jobs/default/j/transcript.1.json", made.model_dump_json().encode())
    async with house.http.get(address) as answer:
        assert Transcript.model_validate_json(await answer.read()) == made
    kinds = {"txt": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}
    for form, kind in kinds.items():
        async with house.http.get(address, params={"format": form}) as answer:
            assert (answer.content_type, answer.charset, "shalom" in await answer.text()) == (kind, "utf-8", True)
    async with house.http.get(address, params={"format": "doc"}) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "query.format")


async def test_what_is_asked_beside_what_is_read_is_refused_by_name(house: House) -> None:
    """Passed over, `formt=srt` would give JSON, and `language=he` a job that guesses; nothing is made of the latter."""
    job = kept(house)
    async with house.http.get(f"/v1/jobs/{job.id}/transcript", params={"formt": "srt"}) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "query.formt")
    async with house.http.post("/v1/jobs", json={"source": SOURCE}, params={"language": "he"}) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "query.language")
    assert list(house.store.jobs) == [job.id]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_address_with_a_slash_too_many_is_answered_and_leads_nowhere(house: House, method: str) -> None:
    """A redirect would be to this server as it sees itself, in clear behind a proxy that ends TLS."""
    async with house.http.request(method, "/v1/jobs/", json={}, allow_redirects=False) as answer:
        assert (answer.status, "Location" in answer.headers) == (404, False)
        assert (await answer.json())["detail"]


async def test_a_job_can_be_cancelled_and_one_that_has_ended_stays(house: House) -> None:
    """The answer is the job's state after intake took the message."""
    async with house.http.post("/v1/jobs", json={"source": SOURCE}) as answer:
        job_id = (await answer.json())["id"]
    for _ in range(2):
        async with house.http.delete(f"/v1/jobs/{job_id}") as answer:
            assert (answer.status, await answer.json()) == (202, {"id": job_id, "state": "cancelled"})
    assert house.post.told().count(Happening.CANCELLED) == 1
    done = kept(house, JobState.COMPLETED)
    async with house.http.delete(f"/v1/jobs/{done.id}") as answer:
        assert (await answer.json())["state"] == "completed"


async def test_the_api_is_described_by_the_messages_own_schema(house: House) -> None:
    """Every reference leads somewhere; a body has no tenant, and a form's options have no source."""
    async with house.http.get("/openapi.json") as answer:
        text = await answer.text()
    document = from_json(text)
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= document["components"]["schemas"].keys()
    bodies = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    asked = bodies["application/json"]["schema"]
    assert asked["properties"].keys() == Submit.model_fields.keys() - {"tenant"}
    assert asked["required"] == ["source"]
    assert {way["type"] for way in asked["properties"]["temperature"]["anyOf"]} == {"number", "array"}
    for example in bodies["application/json"]["examples"].values():
        Submit.model_validate({"id": str(uuid4()), **example["value"]})
    options = bodies["multipart/form-data"]["schema"]["properties"]["options"]["contentSchema"]
    assert options["properties"].keys() == asked["properties"].keys() - {"source"}
