"""The gateway when something behind it does not answer, or what is asked of the operator's routes is wrong."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from aiohttp import FormData
from pydantic_core import from_json
from pymongo.errors import ServerSelectionTimeoutError

from services.gateway.dead_letter_office import DeadLetterOffice
from services.gateway.letters import DeadLetters
from services.gateway.submitter import NoReply, NotTaken
from shared.jobs.document import Job
from shared.topology import SUBMIT_KEY
from tests.fakes.gateway import House, gateway


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Yield a gateway where everybody is one tenant."""
    async with gateway(tmp_path) as open_house:
        yield open_house


@pytest.mark.parametrize(("failure", "said"), [(NoReply, "not confirmed by intake yet"), (NotTaken, "send it again")])
async def test_a_silent_mesh_is_told_with_the_jobs_id(
    house: House, failure: type[NoReply | NotTaken], said: str
) -> None:
    """So that the client can ask for the job, or submit the same one again."""

    class Silent:
        async def ask(self, key: str, message: dict[str, Any]) -> Any:
            assert key == SUBMIT_KEY
            raise failure(message["id"])

    house.intake = Silent()
    async with house.http.post("/v1/jobs", json={"source": {"url": "https://example.org/a.mp3"}}) as answer:
        body = await answer.json()
    assert (answer.status, said in body["detail"], body["id"] in body["detail"]) == (503, True, True)


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        (ServerSelectionTimeoutError("mongodb.internal:27017"), 503, "GET /health says what"),
        (ConnectionRefusedError("mongodb.internal:27017"), 503, "GET /health says what"),
        (KeyError("mongodb.internal:27017"), 500, "its log says what"),
    ],
)
async def test_a_gateway_that_cannot_answer_says_so_in_json(
    house: House, failure: Exception, status: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is behind it is for its log alone."""

    async def failing(_: str) -> Job:
        raise failure

    house.store.find = failing  # type: ignore[method-assign, assignment]  # the database goes away
    async with house.http.get(f"/v1/jobs/{uuid4()}") as answer:
        text = await answer.text()
    assert (answer.status, said in from_json(text)["detail"], "internal:" in text) == (status, True, False)
    assert "mongodb.internal" in caplog.text


async def test_an_uploads_job_that_is_taken_is_told_though_the_database_goes_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever heard of a failure would send the recording again, as another job."""
    monkeypatch.setattr(house.store, "find", AsyncMock(side_effect=ConnectionError))
    form = FormData()
    form.add_field("file", b"RIFF" * 100, filename="talk.wav")
    async with house.http.post("/v1/jobs", data=form) as answer:
        assert answer.status == 202, await answer.text()
    assert len(house.stored()) == 1


async def test_health_says_which_part_does_not_answer(house: House) -> None:
    """Without saying where it is."""
    async with house.http.get("/health") as answer:
        assert (answer.status, await answer.json()) == (200, {"database": "ok", "object store": "ok"})

    async def gone() -> None:
        raise ConnectionRefusedError("mongodb.internal:27017")

    house.pings["database"] = gone
    async with house.http.get("/health") as answer:
        assert (answer.status, await answer.json()) == (503, {"database": "does not answer", "object store": "ok"})


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/replay"), ("POST", "/drop")])
async def test_a_mistyped_filter_of_dead_letters_is_refused(house: House, method: str, path: str) -> None:
    """Passed over, it would drop what was not meant."""
    for field, value in (("tenat", "acme"), ("reason", "")):
        async with house.http.request(method, f"/v1/dead{path}", params={field: value}) as answer:
            assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, f"query.{field}")


@pytest.mark.parametrize("path", ["/replay", "/drop"])
async def test_filters_in_the_body_are_refused(house: House, path: str) -> None:
    """It is not read: what should have been left out would be replayed or dropped with all the rest."""
    async with house.http.post(f"/v1/dead{path}", data={"tenant": "acme"}) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "body")


async def test_dead_letters_wait_for_no_broker_that_is_away(house: House) -> None:
    """Until aiormq has connected again it answers with an error of no kind."""

    class Closed:
        async def channel(self, **_: Any) -> Any:
            raise RuntimeError("<Connection> closed")

    office = DeadLetterOffice(DeadLetters(Closed()), house.store, house.post, 4)  # type: ignore[arg-type]  # nothing else is asked of them
    house.app.state.desk = replace(house.desk, dead_letters=office)
    async with house.http.get("/v1/dead") as answer:
        assert (answer.status, "GET /health says what" in await answer.text()) == (503, True)
