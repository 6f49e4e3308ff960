"""The one-machine runner when things end badly, and on machines that have a broker of their own."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from deploy.local import child
from deploy.local.keeper import Keeper
from deploy.local.parts import LocalParts
from deploy.local.rabbitmq import Broker
from services.operator.main import build
from tests.deploy.test_local import alive, round_trip

ROOT = Path(__file__).parents[2]

HOLDS = """
import asyncio, sys
from pathlib import Path
from deploy.local.parts import LocalParts
async def hold():
    async with LocalParts(Path(sys.argv[1])) as parts:
        print(parts.broker.pid, parts.database.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(hold())
"""

WORKS = """
import asyncio
from services.operator.up import run
async def work():
    print("works", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("in order", flush=True)
run(work())
"""


async def started(program: str, *words: str, before: Sequence[str] = ()) -> asyncio.subprocess.Process:
    """Start a Python program of ours, behind the words `before`."""
    command = (*before, sys.executable, "-c", program, *words)
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)


async def said(process: asyncio.subprocess.Process) -> str:
    """Return the next line that the process says."""
    assert process.stdout
    return (await process.stdout.readline()).decode().strip()


@pytest.mark.broker
async def test_a_mesh_that_was_killed_is_waited_for_by_the_next_one_on_its_data(tmp_path: Path) -> None:
    """Its broker takes a while to end; two of them on one folder of data would ruin it."""
    killed = await started(HOLDS, str(tmp_path))
    pids = [int(pid) for pid in (await said(killed)).split()]
    os.kill(pids[0], signal.SIGSTOP)  # as one that has much to write before it ends
    killed.kill()
    await killed.wait()
    async with AsyncExitStack() as end:
        next_one = asyncio.create_task(end.enter_async_context(LocalParts(tmp_path)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(next_one), 15)
        os.kill(pids[0], signal.SIGCONT)
        assert await round_trip((await next_one).amqp_url, b"there and back") == b"there and back"
        assert not [pid for pid in pids if alive(pid)]


async def test_of_processes_that_share_a_file_one_runs_at_a_time(tmp_path: Path) -> None:
    """The next begins when the one before it has ended, and not sooner."""
    lock = tmp_path / "lock"
    first = await child.start(["/bin/sh", "-c", "echo first; exec sleep 60"], {}, tmp_path, alone=lock)
    assert first.stdout
    while await first.stdout.readline() != b"first\n":
        pass
    second = await child.start(["/bin/echo", "second"], {}, tmp_path, alone=lock)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.wait(), 0.5)
    await child.stop(first, 5)
    out, _ = await second.communicate()
    assert out.endswith(b"second\n")


@pytest.mark.broker
async def test_what_the_machines_own_broker_is_told_is_not_the_private_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its listeners would be opened, its definitions loaded, its cluster joined."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "10-own.conf").write_text(f"listeners.tcp.own = 127.0.0.1:{child.free_port()}\n")
    (own / "advanced.config").write_text("[{rabbit, [{vm_memory_high_watermark, 0.11}]}].\n")
    monkeypatch.setenv("RABBITMQ_CONFIG_FILES", str(own / "*.conf"))
    monkeypatch.setenv("RABBITMQ_ADVANCED_CONFIG_FILE", str(own / "advanced.config"))
    monkeypatch.setenv("RABBITMQ_NODE_IP_ADDRESS", "0.0.0.0")
    broker = Broker(tmp_path / "private # דוד")
    await broker.start()
    try:
        listeners = await broker.control("eval", "application:get_env(rabbit, tcp_listeners).")
        files = await broker.control("eval", "rabbit_config:config_files().")
    finally:
        await broker.stop()
    assert listeners.split() == ['{ok,[{"127.0.0.1",' + f"{broker.port}" + "}]}"]
    assert "own" not in files


async def test_what_the_environment_names_is_used_and_all_else_lies_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key of the operator's own opens what was sealed elsewhere; who is not root may not write under /var."""
    given = {"SCRIBE_SEAL_KEY": Fernet.generate_key().decode(), "SCRIBE_SIGNING_KEY": "k" * 16}
    parts = {"SCRIBE_AMQP_URL": "amqp://127.0.0.1:1/", "SCRIBE_MONGO_URL": "mongodb://127.0.0.1:1/"}
    for name, value in parts.items():
        monkeypatch.setenv(name, value)
    async with LocalParts(tmp_path) as running:
        made = running.environment
    assert made["SCRIBE_WORK_DIR"] == str(tmp_path / "work")
    for name, value in (*given.items(), ("SCRIBE_WORK_DIR", "/elsewhere")):
        monkeypatch.setenv(name, value)
    async with LocalParts(tmp_path) as running:
        assert running.environment == {**made, **given, "SCRIBE_WORK_DIR": "/elsewhere"}
    assert made["SCRIBE_SEAL_KEY"] != given["SCRIBE_SEAL_KEY"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_terminal_that_closes_ends_the_mesh_in_order_as_ctrl_c_does(how: signal.Signals) -> None:
    """The broker and the database would otherwise go before the services that drain."""
    process = await started(WORKS, before=["env", "--default-signal=HUP"])  # which these tests may themselves ignore
    assert await said(process) == "works"
    process.send_signal(how)
    assert await said(process) == "in order"
    await process.wait()


async def test_what_nohup_protects_goes_on_when_the_terminal_closes() -> None:
    """That is what it is asked for; SIGTERM ends it all the same."""
    process = await started(WORKS, before=["nohup"])
    assert await said(process) == "works"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert await said(process) == "in order"
    assert await process.wait() != -signal.SIGHUP


async def test_a_second_request_to_stop_does_not_wait_for_the_first() -> None:
    """Ctrl-C again kills what still drains, and nothing of it stays."""
    heard = asyncio.Event()
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    keeper = Keeper("deaf", (sys.executable, "-c", deaf), {}, 0, lambda *_: heard.set())
    keeper.start()
    await heard.wait()
    assert keeper.process
    stopping = asyncio.create_task(keeper.stop(60))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await keeper.process.wait() == -signal.SIGKILL


def test_a_port_that_cannot_be_one_is_refused_by_its_option(tmp_path: Path) -> None:
    """Before anything starts, and in words."""
    told = CliRunner().invoke(build(), ["up", "--home", str(tmp_path), "--port", "70000"])
    assert told.exit_code == 2
    assert "--port" in told.output
