"""Dead letters over a real broker: seen without being taken, tried again once, dropped for good."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from services.gateway.letters import DeadLetters, Wanted
from services.gateway.submitter import connect
from shared.clock import now
from shared.jobs.states import JobState
from shared.mesh.outcomes import GiveUp
from shared.mesh.work import Work
from shared.messages import Diagnosis
from shared.topology import JOBS, SUBMIT_KEY, Happening, Stage, dead_queue
from shared.transcript import Output
from tests.broker.conftest import Net
from tests.broker.test_gateway_broker import intake, running
from tests.broker.test_steps import WORKING, usual

pytestmark = pytest.mark.broker


class Healing:
    """A stage that gives up until it is well."""

    def __init__(self) -> None:
        self.well = False

    async def __call__(self, work: Work) -> Output:
        """Do what is usual, or give up."""
        if self.well or work.step.stage is not Stage.DOWNLOADER:
            return await usual(work)
        raise GiveUp("the source is gone")


async def call(http: aiohttp.ClientSession, method: str, path: str = "", **asked: Any) -> Any:
    """Return what the operator's route answers."""
    async with http.request(method, f"/v1/dead{path}", params=asked) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def given_up(net: Net, jobs: int) -> tuple[Healing, list[str]]:
    """Return jobs that failed at their first step, one after the other, and the stage that may heal."""
    stage, failed = Healing(), list[str]()
    await net.stages(stage, *WORKING)
    for _ in range(jobs):
        failed.append((await net.submit(language="he")).id)
        await net.until(lambda event: event.job == failed[-1] and event.happening is Happening.FAILED)
    return stage, failed


async def test_dead_letters_are_listed_with_their_diagnosis_and_stay(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking takes nothing; a filter leaves out what it does not mean; one letter shows its exact message."""
    _, jobs = await given_up(net, 3)
    async with running(net, monkeypatch) as (_, http):
        for _ in range(2):
            assert [letter["why"]["job"] for letter in await call(http, "GET")] == jobs
        assert await call(http, "GET", stage="enhancer") == []
        assert await call(http, "GET", older_than=3600) == []
        (letter,) = await call(http, "GET", job=jobs[1], reason="GONE", tenant="acme", stage="downloader")
        shown = await call(http, "GET", f"/{letter['why']['letter']}")
        assert json.loads(shown["message"])["job"] == jobs[1]
        assert (shown["why"]["exception"], "Traceback" in shown["why"]["traceback"]) == ("GiveUp", True)
        async with http.get("/v1/dead/nobody") as answer:
            assert answer.status == 404


async def test_a_replayed_letter_is_tried_again_once(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice at the same time: every job runs on to its end with its options, and its letter is gone."""
    stage, jobs = await given_up(net, 10)
    stage.well = True
    async with running(net, monkeypatch) as (_, http):
        assert {each["said"] for each in await call(http, "POST", "/replay", dry_run="true")} == {"would be replayed"}
        both = await asyncio.gather(*(call(http, "POST", "/replay", stage="downloader") for _ in range(2)))
        assert sorted(each["job"] for done in both for each in done) == sorted(jobs)
        for _ in jobs:
            await net.until(lambda event: event.happening is Happening.COMPLETED)
        assert await call(http, "POST", "/replay") == []
        documents = [await net.parts.store.find(job) for job in jobs]
        assert {job.options.language for job in documents} == {"he"}
        async with http.get(f"/v1/jobs/{jobs[0]}/history") as answer:
            assert answer.status == 404  # another tenant's
    told = [entry.what for entry in await net.parts.store.history(jobs[0])]
    assert [what for what in told if what != "done"] == ["dead", "replayed"]


async def rejected(net: Net) -> None:
    """Return once a message was rejected and lies among the dead letters, which is later than it is told."""
    await net.until(lambda event: event.happening is Happening.REJECTED)
    await net.waiting(dead_queue(Stage.INTAKE).name, 1)


async def test_a_rejected_message_is_sent_again_as_it_came(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was wrong is wrong again; nothing is lost in between."""
    await intake(net)
    body = json.dumps({"id": str(uuid4()), "colour": "red"}).encode()
    await net.parts.post.publish(JOBS.name, SUBMIT_KEY, body)
    await rejected(net)
    async with running(net, monkeypatch) as (_, http):
        (done,) = await call(http, "POST", "/replay")
        assert done["said"] == "sent again as it came"
        await rejected(net)
        (letter,) = await call(http, "GET", stage="intake")
        assert letter["message"].encode() == body


async def test_no_more_letters_are_held_than_are_asked_for(net: Net) -> None:
    """Ten thousand of a queue are looked at, and what was rejected as no job may be of any size."""
    body = b"not ours"
    for age in range(5):
        why = Diagnosis(stage=Stage.INTAKE, reason="no job", worker="w", at=now() - timedelta(days=5 - age))
        await net.parts.post.park(body, why)
    connection = await connect(net.settings.amqp_url)
    async with connection, DeadLetters(connection).reading(Wanted(reason="no job"), 2) as letters:
        assert [(now() - letter.why.at).days for letter in letters] == [5, 4]
        assert (await net.parts.post.count(dead_queue(Stage.INTAKE).name)).messages == 3


async def test_a_dropped_letter_is_gone_and_its_job_stays(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is failed as it was."""
    _, (job,) = await given_up(net, 1)
    async with running(net, monkeypatch) as (_, http):
        assert [each["said"] for each in await call(http, "POST", "/drop", dry_run="true")] == ["would be dropped"]
        assert [each["said"] for each in await call(http, "POST", "/drop")] == ["dropped"]
        assert await call(http, "GET") == []
    assert (await net.parts.store.find(job)).state is JobState.FAILED


@pytest.mark.parametrize(
    ("operator", "given", "status"),
    [
        (None, "acme-token-of-16-letters", 403),
        ("operator-token-16", "acme-token-of-16-letters", 403),
        ("operator-token-16", "operator-token-16", 200),
    ],
)
async def test_only_the_operator_sees_dead_letters(
    net: Net, monkeypatch: pytest.MonkeyPatch, operator: str | None, given: str, status: int
) -> None:
    """A tenant's token does not open them, and without an operator's token nobody's does."""
    monkeypatch.setenv("SCRIBE_GATEWAY_TOKENS", '{"acme": "acme-token-of-16-letters"}')
    if operator:
        monkeypatch.setenv("SCRIBE_GATEWAY_OPERATOR_TOKEN", operator)
    theirs = {"Authorization": f"Bearer {given}"}
    async with running(net, monkeypatch) as (_, http), http.get("/v1/dead", headers=theirs) as answer:
        assert answer.status == status
