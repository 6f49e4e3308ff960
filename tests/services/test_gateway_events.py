"""Live events: a snapshot, then everything up to the job's end, and a last word for whoever is let go."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pymongo.errors import ServerSelectionTimeoutError

from services.gateway import stream
from services.gateway.listeners import BACKLOG, Listeners
from services.gateway.places import NoPlace, Places
from services.gateway.stream import EventStream, story
from shared.clock import now
from shared.jobs import moves
from shared.jobs.document import Job
from shared.jobs.states import JobState
from shared.messages import Event
from shared.topology import Happening
from tests.fakes.gateway import House, gateway
from tests.fakes.jobs import new_job

LISTENERS = 2


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Yield a gateway that serves two listeners."""
    async with gateway(tmp_path, listeners=LISTENERS) as open_house:
        yield open_house


@pytest.fixture
def job(house: House) -> Job:
    """Return a job of the default tenant that has just been accepted."""
    made = new_job().job.model_copy(update={"tenant": "default"})
    house.store.jobs[made.id] = made
    return made


def about(job: Job, happening: Happening, sequence: int = 2, **body: Any) -> Event:
    """Return an event of the job."""
    return Event(job=job.id, tenant=job.tenant, sequence=sequence, happening=happening, at=now(), body=body)


def read(text: str) -> list[dict[str, Any]]:
    """Return the data of every server-sent event in the text."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines]


async def first(answer: aiohttp.ClientResponse) -> str:
    """Return the answer's next server-sent event as it is on the wire."""
    return (await answer.content.readuntil(b"\n\n")).decode()


async def test_a_job_is_told_from_its_snapshot_to_its_end(house: House, job: Job) -> None:
    """Each event by its name, numbered with its sequence, its body laid open; the stream ends with the job."""
    async with house.http.get(f"/v1/jobs/{job.id}/events") as answer:
        assert answer.content_type == "text/event-stream"
        (snapshot,) = read(await first(answer))
        assert (snapshot["happening"], snapshot["job"], snapshot["state"]) == ("snapshot", job.id, "accepted")
        house.listeners.tell(about(job, Happening.PROGRESS, 1, stage="transcriber", fraction=0.5))
        house.listeners.tell(about(job, Happening.COMPLETED, words=3))
        progress, completed = (await answer.text()).split("\n\n")[:2]
    assert progress.startswith("event: progress\nid: 1\ndata: {")
    (said,) = read(progress)
    assert (said["stage"], said["fraction"], said["sequence"], said["job"]) == ("transcriber", 0.5, 1, job.id)
    assert read(completed)[0]["words"] == 3


async def test_a_job_may_be_asked_for_in_any_spelling_of_its_id(house: House, job: Job) -> None:
    """Its events are told all the same."""
    async with house.http.get(f"/v1/jobs/{job.id.upper()}/events") as answer, asyncio.timeout(5):
        await first(answer)
        house.listeners.tell(about(job, Happening.COMPLETED))
        (completed,) = read(await answer.text())
    assert (completed["happening"], completed["job"]) == ("completed", job.id)


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
async def test_a_job_that_has_ended_is_told_at_once(house: House, job: Job, state: JobState) -> None:
    """A snapshot, and the event that ended it as the document has it."""
    house.store.jobs[job.id] = job.model_copy(update={"state": state, "error": "why", "sequence": 9})
    async with house.http.get(f"/v1/jobs/{job.id}/events") as answer:
        snapshot, end = read(await answer.text())
    assert (snapshot["state"], end["happening"], end["sequence"]) == (state, state, 9)
    assert end.get("error") == ("why" if state is JobState.FAILED else None)


async def test_nothing_falls_between_the_snapshot_and_the_events(house: House, job: Job) -> None:
    """What happens while the job is read is told."""
    find = house.store.find

    async def meanwhile(name: str) -> Job:
        found = await find(name)
        house.listeners.tell(about(job, Happening.CANCELLED))
        return found

    house.store.find = meanwhile  # type: ignore[method-assign, assignment]  # something happens just then
    async with house.http.get(f"/v1/jobs/{job.id}/events") as answer:
        assert [each["happening"] for each in read(await answer.text())] == ["snapshot", "cancelled"]


async def test_others_events_are_not_told(house: House, job: Job) -> None:
    """Not another job's, not another tenant's who names this one, and no rejected message's."""
    other = job.model_copy(update={"tenant": "other"})
    async with house.http.get(f"/v1/jobs/{job.id}/events") as answer:
        await first(answer)
        house.listeners.tell(about(new_job().job, Happening.COMPLETED))
        house.listeners.tell(about(other, Happening.COMPLETED))
        house.listeners.tell(about(job, Happening.REJECTED))
        house.listeners.tell(about(job, Happening.FAILED))
        assert [each["happening"] for each in read(await answer.text())] == ["failed"]


async def test_a_listener_that_does_not_read_is_let_go_with_a_word() -> None:
    """Memory does not grow with it; what it was given is still told."""
    listeners, job = Listeners(Places("", 1, 1)), new_job().job
    with listeners.listening(job.tenant, job.id) as backlog:
        for number in range(BACKLOG + 100):
            listeners.tell(about(job, Happening.PROGRESS, number))
        told = [read(each)[0] async for each in story(job, backlog, unasked)]
    assert len(told) == BACKLOG + 2
    assert told[-1]["happening"] == "lagging"
    assert "connect again" in told[-1]["reason"]


async def test_a_listener_that_takes_nothing_more_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection may stay open for ever: what is sent is waited for only so long."""
    monkeypatch.setattr(stream, "READ_SECONDS", 0.01)
    listeners, job = Listeners(Places("", 1, 1)), new_job().job

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    with ExitStack() as listening:
        backlog = listening.enter_context(listeners.listening(job.tenant, job.id))
        response = EventStream(story(job, backlog, unasked), listening.pop_all())
    await response({"type": "http"}, never, never)
    with listeners.listening(job.tenant, job.id):
        pass


async def unasked() -> Job:
    """Stand for a document that is not to be read."""
    raise AssertionError


async def test_silence_is_filled_and_an_end_whose_event_was_lost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment keeps the line open; the document is looked at meanwhile."""
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.01)
    job = new_job().job
    documents = [job, moves.cancel(job, now(), 2).job]

    async def again() -> Job:
        return documents.pop(0)

    with Listeners(Places("", 1, 1)).listening(job.tenant, job.id) as backlog:
        told = [each async for each in story(job, backlog, again)]
    assert [each[0] for each in told] == ["e", ":", ":", "e"]
    assert read(told[-1])[0]["happening"] == "cancelled"


async def test_a_stream_goes_on_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events come from the broker."""
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.01)
    listeners, job = Listeners(Places("", 1, 1)), new_job().job

    async def away() -> Job:
        listeners.tell(about(job, Happening.COMPLETED))
        raise ServerSelectionTimeoutError("mongodb.internal:27017")

    with listeners.listening(job.tenant, job.id) as backlog:
        told = [each async for each in story(job, backlog, away)]
    assert [each[0] for each in told] == ["e", ":", "e"]
    assert read(told[-1])[0]["happening"] == "completed"


async def test_no_more_listen_than_fit_and_a_place_is_free_when_its_listener_is_gone(house: House, job: Job) -> None:
    """The one too many is told so before the stream begins."""
    address = f"/v1/jobs/{job.id}/events"
    async with house.http.get(address) as one, house.http.get(address) as two:
        await first(one)
        await first(two)
        async with house.http.get(address) as three:
            assert (three.status, "SCRIBE_GATEWAY_LISTENERS" in await three.text()) == (429, True)
    async with house.http.get("/v1/jobs/7/events") as answer:
        assert answer.status == 404
    async with asyncio.timeout(60):
        while not await listens(house, address):
            continue


async def listens(house: House, address: str) -> bool:
    """Return whether the address can be listened to."""
    async with house.http.get(address) as answer:
        return answer.status == 200


def test_one_tenant_cannot_take_all_places() -> None:
    """The others' are kept free, whatever it asks for."""
    places = Places("SCRIBE_X", 3, 2)
    with places.taken("acme"), places.taken("acme"):
        with pytest.raises(NoPlace, match="SCRIBE_X_PER_TENANT"), places.taken("acme"):
            pass
        with places.taken("other"), pytest.raises(NoPlace, match="SCRIBE_X\\)"), places.taken("other"):
            pass


def test_leaving_a_place_frees_it() -> None:
    """However often."""
    listeners = Listeners(Places("", 1, 1))
    for _ in range(3):
        with listeners.listening("acme", "7"), pytest.raises(NoPlace), listeners.listening("acme", "8"):
            pass


async def test_a_gateway_that_goes_down_tells_its_listeners(house: House, job: Job) -> None:
    """The stream ends, so that the server has nothing to wait for."""
    async with house.http.get(f"/v1/jobs/{job.id}/events") as answer:
        await first(answer)
        house.listeners.close()
        (last,) = read(await answer.text())
    assert (last["happening"], last["job"]) == ("closing", job.id)
