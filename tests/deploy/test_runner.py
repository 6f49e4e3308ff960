"""The one-machine runner beside a broker and a database that it did not start: its keys, its lines, its home."""

import asyncio
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from deploy.local.faults import CannotRun
from deploy.local.parts import LocalParts
from deploy.local.runner import LocalMesh
from tests.deploy.test_local import until


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a broker and a database, so that none is started."""
    monkeypatch.setenv("SCRIBE_AMQP_URL", "amqp://127.0.0.1:1/")
    monkeypatch.setenv("SCRIBE_MONGO_URL", "mongodb://127.0.0.1:1/")


async def test_keys_that_are_given_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a broker and a database of others, jobs are sealed with their key; what is not given is made."""
    ours = Fernet.generate_key().decode()
    monkeypatch.setenv("SCRIBE_SEAL_KEY", ours)
    async with LocalMesh(tmp_path, commands={}) as mesh:
        assert mesh.environment["SCRIBE_SEAL_KEY"] == ours
        assert len(mesh.environment["SCRIBE_SIGNING_KEY"]) == 64


async def test_a_mesh_whose_lines_cannot_be_written_ends_and_reads_them_on(tmp_path: Path) -> None:
    """A pipe that nobody reads any more, or a full disk: unread, the processes would stand still and look alive."""
    seen, heard = list[str](), asyncio.Event()

    def say(_: str, line: str) -> None:
        seen.append(line)
        heard.set()
        raise BrokenPipeError(32, "Broken pipe")

    wordy = (sys.executable, "-c", "import time; print('x\\n' * 100_000, 'end', flush=True); time.sleep(60)")
    async with LocalMesh(tmp_path, commands={"wordy": wordy}, say=say) as mesh:
        with pytest.raises(CannotRun, match="cannot be written: Broken pipe"):
            await mesh.last()
        await until(lambda: seen[-1].endswith("end"), heard)


async def test_a_home_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """With what the system says."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotRun, match="file/home cannot be used: Not a directory"):
        await LocalParts(tmp_path / "file/home").__aenter__()


async def test_a_home_with_an_apostrophe_in_its_path_is_refused(tmp_path: Path) -> None:
    """RabbitMQ would not start there, and would not say why."""
    with pytest.raises(CannotRun, match="apostrophe in its path; choose another: --home"):
        await LocalParts(tmp_path / "dina's").__aenter__()
    assert not (tmp_path / "dina's").exists()
