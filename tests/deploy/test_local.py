"""The one-machine runner on a real broker and database, with stand-ins for the services."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from dotenv import dotenv_values
from pymongo import AsyncMongoClient, monitoring

from deploy.local.child import free_port
from deploy.local.faults import CannotRun
from deploy.local.mongo import Database, answers
from deploy.local.parts import LocalParts
from deploy.local.rabbitmq import Broker
from deploy.local.runner import LocalMesh

STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))


def alive(pid: int | None) -> bool:
    """Whether a process of that id runs (one that ended and was not collected does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the second, if it ends between opening and reading
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class Commands(monitoring.CommandListener):
    """Keeps the inserts that are sent."""

    def __init__(self) -> None:
        self.inserts = list[Mapping[str, Any]]()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Keep the command if it is one."""
        if event.command_name == "insert":
            self.inserts.append(event.command)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to keep."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to keep."""


def children() -> set[int]:
    """Return the ids of this thread's children, which the parts become: the loop starts them on its own thread."""
    return {int(pid) for pid in Path("/proc/thread-self/children").read_text().split()}


async def round_trip(url: str, body: bytes) -> bytes:
    """Send the body through a durable queue of the broker and return what comes back."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("trip", durable=True)
        await channel.default_exchange.publish(aio_pika.Message(body), "trip")
        message = await queue.get(timeout=60)
        await message.ack()
        return message.body


async def until(condition: Callable[[], bool], heard: asyncio.Event) -> None:
    """Return once the condition holds, looking again whenever something was said."""
    async with asyncio.timeout(120):
        while not condition():
            heard.clear()
            await heard.wait()


@pytest.mark.broker
async def test_the_parts_start_carry_messages_and_leave_no_process(tmp_path: Path) -> None:
    """The default user may publish and consume; after the end no child of ours is left, port mapper included.

    The folder may have any name.
    """
    before = children()
    async with LocalParts(tmp_path / "הקלטות #1") as parts:
        assert parts.broker
        assert parts.database
        pids = children() - before
        assert {parts.broker.pid, parts.database.pid} < pids
        assert await round_trip(parts.amqp_url, b"there and back") == b"there and back"
    assert not [pid for pid in pids if alive(pid)]
    with pytest.raises(ConnectionError):
        await aio_pika.connect(parts.amqp_url)


@pytest.mark.broker
async def test_a_killed_broker_comes_back_under_the_same_address_with_its_messages(tmp_path: Path) -> None:
    """A persistent message survives SIGKILL and a start from the same folder."""
    broker = Broker(tmp_path)
    try:
        await broker.start()
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            await channel.declare_queue("kept", durable=True)
            mode = aio_pika.DeliveryMode.PERSISTENT
            await channel.default_exchange.publish(aio_pika.Message(b"kept", delivery_mode=mode), "kept")
        await broker.kill()
        await broker.start()
        async with await aio_pika.connect(broker.url) as connection:
            queue = await (await connection.channel()).get_queue("kept")
            assert (await queue.get(timeout=60)).body == b"kept"
    finally:
        await broker.stop()


@pytest.mark.broker
async def test_a_killed_database_comes_back_under_the_same_address(tmp_path: Path) -> None:
    """The embedded server answers again after SIGKILL and a start from the same folder."""
    database = Database(tmp_path)
    try:
        await database.start()
        await database.kill()
        assert not await answers(database.url, 0.5)
        await database.start()
        assert await answers(database.url, 60)
    finally:
        await database.stop()


@pytest.mark.broker
@pytest.mark.parametrize("replica_set", [True, False])
async def test_only_as_a_replica_set_is_the_embedded_database_asked_to_remember_writes(
    tmp_path: Path, replica_set: bool
) -> None:
    """Drivers number writes that they may repeat, and what the server keeps of those makes it slower and slower."""
    database, sent = Database(tmp_path, replica_set=replica_set), Commands()
    try:
        await database.start()
        async with AsyncMongoClient[dict[str, Any]](database.url, event_listeners=[sent]) as client:
            await client["test"]["jobs"].insert_one({})
    finally:
        await database.stop()
    assert ["txnNumber" in command for command in sent.inserts] == [replica_set]


def test_no_two_parts_get_the_same_port_and_none_that_an_outgoing_connection_takes() -> None:
    """Not even before the first of them listens: the other would start for ever, as it would beside a connection."""
    ports = [free_port() for _ in range(500)]
    assert len(set(ports)) == len(ports)
    assert max(ports) < 32_768  # from where on Linux takes them, unless it is told otherwise


async def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    """The broker, the database and the gateway say which port is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for start in (
            Broker(tmp_path, port).start,
            Database(tmp_path, port).start,
            LocalMesh(tmp_path, services=["gateway"], gateway_port=port).__aenter__,
        ):
            with pytest.raises(CannotRun, match=f"port {port} is taken"):
                await start()


@pytest.mark.broker
@pytest.mark.parametrize(("part", "named"), [("broker", "RabbitMQ"), ("database", "the database")])
async def test_a_part_that_ends_by_itself_is_noticed(tmp_path: Path, part: str, named: str) -> None:
    """Nobody starts it again here, and services without it would look alive for ever."""
    async with LocalParts(tmp_path) as parts, asyncio.timeout(30):
        noticed = asyncio.create_task(parts.last())
        await asyncio.sleep(0)
        assert not noticed.done()
        os.kill(getattr(parts, part).pid, signal.SIGKILL)
        with pytest.raises(CannotRun, match=f"{named} ended by itself; its log is "):
            await noticed


@pytest.mark.broker
async def test_a_home_is_used_once_at_a_time(tmp_path: Path) -> None:
    """A second mesh on the same data is refused, because two brokers would ruin it."""
    async with LocalParts(tmp_path):
        with pytest.raises(CannotRun, match="another mesh runs"):
            await LocalParts(tmp_path).__aenter__()


@pytest.mark.broker
async def test_a_mesh_scales_restarts_what_crashed_and_stops_everything(tmp_path: Path) -> None:
    """Two processes of a service run; one that is killed is started again with a line that says so."""
    heard, lines = asyncio.Event(), list[tuple[str, str]]()

    def say(name: str, line: str) -> None:
        lines.append((name, line))
        heard.set()

    commands = {"worker": STAND_IN, "single": STAND_IN}
    async with LocalMesh(tmp_path, scale={"worker": 2}, commands=commands, say=say) as mesh:
        await mesh.wait_ready(120)
        assert {name: len(running) for name, running in mesh.processes.items()} == {"worker": 2, "single": 1}
        assert f"SCRIBE_AMQP_URL={mesh.amqp_url}" in (tmp_path / "running.env").read_text()
        victim = mesh.processes["worker"][0].pid
        os.kill(victim, signal.SIGKILL)
        await until(lambda: [name for name, line in lines if '"ready"' in line].count("worker-1") == 2, heard)
        running = [process.pid for processes in mesh.processes.values() for process in processes]
        assert len(running) == 3
        assert victim not in running
    said = [line for name, line in lines if name == "worker-1"]
    assert any("worker-1 was killed by signal 9 after" in line and "starts again in 0.5 s" in line for line in said)
    assert not [pid for pid in running if alive(pid)]
    assert not (tmp_path / "running.env").exists()


@pytest.mark.broker
async def test_a_shell_and_the_command_read_the_addresses_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one with an ampersand, and a folder with a blank in its name."""
    url = "mongodb://127.0.0.1:1/?directConnection=true&appName=ours"
    monkeypatch.setenv("SCRIBE_MONGO_URL", url)
    monkeypatch.setenv("SCRIBE_AMQP_URL", "amqp://127.0.0.1:1/")
    home = tmp_path / "two words"
    async with LocalMesh(home, commands={}) as mesh:
        file = home / "running.env"
        shell = ("/bin/sh", "-ec", '. "$1"; echo "$SCRIBE_MONGO_URL $SCRIBE_BLOBS_URL"', "sh", str(file))
        process = await asyncio.create_subprocess_exec(*shell, stdout=asyncio.subprocess.PIPE)
        told, _ = await process.communicate()
        assert dotenv_values(file) == mesh.environment
    assert told.decode() == f"{url} file://{home}/blobs\n"


@pytest.mark.broker
async def test_a_service_that_cannot_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    """Waiting ends early, and with the reason, when a process keeps ending."""
    commands = {"broken": (sys.executable, "-c", "raise SystemExit('no such key')")}
    async with LocalMesh(tmp_path, commands=commands, say=lambda *_: None) as mesh:
        with pytest.raises(CannotRun, match=r"(?s)broken does not start.*no such key"):
            await mesh.wait_ready(120)


async def test_an_unknown_service_is_named(tmp_path: Path) -> None:
    """A mistyped name lists the services there are."""
    with pytest.raises(CannotRun, match="no service called 'transcribr'; the services are intake, downloader"):
        await LocalMesh(tmp_path, scale={"transcribr": 2}).__aenter__()
