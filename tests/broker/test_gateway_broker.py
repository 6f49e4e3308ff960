"""The gateway over a real broker and a real database: intake's replies, live events, lost connections, its end."""

import asyncio
import signal
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import SecretStr

from deploy.local.child import free_port, inherited
from deploy.local.commands import ROOT
from services.gateway.main import build
from services.gateway.stream import KEEP_ALIVE_SECONDS
from services.gateway.submitter import Submitter
from services.intake.admission import Admission, Limits
from services.intake.desk import Desk
from shared.jobs.mongo_upkeep import MongoUpkeep
from shared.jobs.states import JobState
from shared.mesh.serve import Parts, Subscription, serve
from shared.mesh.work import Work
from shared.seal import Seal
from shared.topology import Stage, work_queue
from shared.transcript import Output
from tests.broker.conftest import Net
from tests.broker.test_steps import WORKING, usual
from tests.fakes.gateway import served

pytestmark = pytest.mark.broker

SOURCE = {"url": "https://example.org/a.mp3"}
END_SECONDS = KEEP_ALIVE_SECONDS - 1
"""Sooner than a stream in which nothing happens looks up by itself."""

PATIENCE = 60.0
"""Seconds that intake has to answer."""


def environment(net: Net, patience: float = PATIENCE) -> dict[str, str]:
    """Return the variables with which a gateway joins the mesh of the test."""
    names = ("amqp_url", "mongo_url", "mongo_database", "blobs_url")
    joined = {f"SCRIBE_{name.upper()}": str(getattr(net.settings, name)) for name in names}
    return {**joined, "SCRIBE_GATEWAY_REPLY_SECONDS": str(patience)}


@asynccontextmanager
async def running(
    net: Net, monkeypatch: pytest.MonkeyPatch, patience: float = PATIENCE
) -> AsyncIterator[tuple[FastAPI, aiohttp.ClientSession]]:
    """Run a gateway in this process, as `uvicorn` would, and give it with a client of it."""
    for name, value in environment(net, patience).items():
        monkeypatch.setenv(name, value)
    # The gateway takes these for its process, and this one is the tests'.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    app = build()
    async with served(app) as url, aiohttp.ClientSession(url) as http:
        async with http.get("/health") as answer:
            assert answer.status == 200
        yield app, http


async def intake(net: Net) -> None:
    """Start intake."""
    parts = Parts(Stage.INTAKE, net.settings, net.parts.blobs)
    seal = Seal(SecretStr(Fernet.generate_key().decode()))
    upkeep = MongoUpkeep(parts.client, net.settings.mongo_database)
    admission = Admission(upkeep, parts.store, parts.post, Limits(10, 10), net.settings.window)
    desk = Desk(parts.store, parts.post, admission, seal, parts.worker, net.settings.window)
    await net.run(serve(parts, [Subscription(work_queue(Stage.INTAKE).name, desk.handle)]))


async def submit(http: aiohttp.ClientSession, **asked: Any) -> tuple[int, dict[str, Any]]:
    """Return the status and the answer of a submit."""
    async with http.post("/v1/jobs", json={"source": SOURCE, **asked}) as answer:
        return answer.status, await answer.json()


def named(stream: str) -> list[str]:
    """Return the names of a stream's events."""
    return [line.removeprefix("event: ") for line in stream.splitlines() if line.startswith("event: ")]


async def test_a_job_goes_from_the_gateway_through_the_mesh_and_back(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """Submitted, followed from its snapshot to its end, shown; a wrong one is refused in intake's words."""
    go = asyncio.Event()

    async def held(work: Work) -> Output:
        await go.wait()
        return await usual(work)

    await intake(net)
    await net.stages(held, *WORKING)
    async with running(net, monkeypatch) as (_, http):
        status, taken = await submit(http, metadata={"ours": 17})
        assert (status, taken["state"]) == (202, "accepted")
        async with http.get(f"/v1/jobs/{taken['id']}/events") as listening:
            snapshot = await listening.content.readuntil(b"\n\n")
            go.set()
            told = named(await listening.text())
        async with http.get(f"/v1/jobs/{taken['id']}") as answer:
            shown = await answer.json()
        status, refused = await submit(http, colour="red")
    assert snapshot.startswith(b"event: snapshot\n")
    assert told[-1] == "completed"
    assert {"progress", "segments"} <= {*told}
    assert (shown["state"], shown["stages"]["transcriber"]["done"]) == ("completed", 3)
    assert (status, refused["errors"][0]["field"]) == (422, "colour")


async def test_cancelling_over_http_cancels_the_job(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer and the document agree, and the stream of a listener ends with it."""
    await intake(net)
    async with running(net, monkeypatch) as (_, http):
        _, taken = await submit(http)
        async with http.get(f"/v1/jobs/{taken['id']}/events") as listening:
            await listening.content.readuntil(b"\n\n")
            async with http.delete(f"/v1/jobs/{taken['id']}") as answer:
                assert (answer.status, (await answer.json())["state"]) == (202, "cancelled")
            assert "event: cancelled\n" in await listening.text()
    assert (await net.parts.store.find(taken["id"])).state is JobState.CANCELLED


async def test_without_intake_the_job_is_kept_and_the_answer_says_so(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker has the message: once intake is back, the job is there under the id of the answer."""
    async with running(net, monkeypatch, patience=0.5) as (_, http):
        status, said = await submit(http)
        assert (status, "not confirmed by intake yet" in said["detail"]) == (503, True)
        await intake(net)
        event = await net.until(lambda event: event.job == said["id"])
        assert event.happening == "accepted"


async def test_a_lost_connection_comes_back_with_its_queues(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies and events reach a gateway whose consuming connection was cut under it."""
    await intake(net)
    async with running(net, monkeypatch) as (app, http):
        asked = app.state.desk.intake
        assert isinstance(asked, Submitter)
        back = asyncio.Event()
        asked._connection.reconnect_callbacks.add(lambda *_: back.set())
        transport = asked._connection.transport
        assert transport is not None
        await transport.connection.close(ConnectionResetError("cut by the test"))
        async with asyncio.timeout(120):
            await back.wait()
        status, taken = await submit(http)
        assert status == 202
        async with http.get(f"/v1/jobs/{taken['id']}/events") as listening, asyncio.timeout(60):
            await listening.content.readuntil(b"\n\n")
            async with http.delete(f"/v1/jobs/{taken['id']}") as answer:
                assert answer.status == 202
            assert named(await listening.text())[-1] == "cancelled"


async def line_with(process: Process, words: bytes) -> bytes:
    """Return the process's next line that has the words in it."""
    assert process.stdout is not None
    async with asyncio.timeout(120):
        async for line in process.stdout:
            if words in line:
                return line
    raise AssertionError(words)


async def test_a_gateway_that_is_told_to_stop_does_not_wait_for_listeners(net: Net, tmp_path: Path) -> None:
    """SIGTERM ends the streams with a word and then the process; its lines are JSON, the server's own too."""
    await intake(net)
    port = str(free_port())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "services.gateway.main:build", "--factory", "--port", port),
        env=inherited(environment(net)),
        cwd=ROOT,
        stdout=PIPE,
        stderr=(tmp_path / "errors").open("wb"),
    )
    try:
        assert (await line_with(process, b"running on")).startswith(b"{")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            _, taken = await submit(http)
            async with http.get("/health") as answer:
                assert answer.status == 200
            async with http.get(f"/v1/jobs/{taken['id']}/events") as listening:
                await listening.content.readuntil(b"\n\n")
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(END_SECONDS):
                    assert "event: closing\n" in await listening.text()
                    await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    assert "Traceback" not in (tmp_path / "errors").read_text()
