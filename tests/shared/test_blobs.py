"""The object store: what is stored in a folder stays, and what is deleted leaves nothing behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.blobs import ObjectStore
from shared.clock import now

KILLED = """
import asyncio, os, signal, sys
from shared.blobs import PART_BYTES, PARTS, ObjectStore

async def pieces():
    for _ in range(2 * PARTS):
        yield bytes(PART_BYTES)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(ObjectStore(sys.argv[1]).put("jobs/acme/17/original", pieces()))
"""
"""A process that is killed while it stores a recording."""


async def _pieces() -> AsyncIterator[bytes]:
    yield b"of a "
    yield b"recording"


async def test_what_is_stored_in_a_folder_is_on_the_disk_with_the_way_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When `put` returns, the object's bytes and the folders down to it have been synced: power may go."""
    synced: dict[str, int] = {}
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced[str(Path(f"/proc/self/fd/{descriptor}").readlink())] = os.fstat(descriptor).st_size
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    await ObjectStore(f"file://{tmp_path}").put("uploads/default/a.wav", _pieces())
    whole = {path: tmp_path / path for path in ("uploads/default/a.wav", "uploads/default", "uploads", "")}
    assert set(synced) == {str(path).rstrip("/") for path in whole.values()}
    assert synced[str(whole["uploads/default/a.wav"])] == len(b"of a recording")


@pytest.mark.parametrize("closed", ["", "uploads"])
async def test_a_folder_that_cannot_be_written_in_is_found_before_a_job_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    """Also where only what another user has made inside is closed; who only reads there asks for no more."""
    (tmp_path / "uploads").mkdir()
    url = f"file://{tmp_path}"
    await ObjectStore(url).ping()
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / closed and may(path, mode))
    with pytest.raises(PermissionError, match=f"{tmp_path / closed} cannot be written in"):
        await ObjectStore(url).ping()
    await ObjectStore(url, written=False).ping()


def files(folder: Path) -> list[str]:
    """Return the files inside, as keys."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("deleted", ["jobs/acme/17", "jobs/acme/17/original"])
async def test_what_a_killed_process_had_half_stored_is_deleted_too(tmp_path: Path, deleted: str) -> None:
    """A job that is forgotten leaves nothing of its recording, nor does an object; what is beside them stays."""
    url = f"file://{tmp_path}"
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, url)
    assert await killed.wait() == -signal.SIGKILL
    assert [key.partition("#")[0] for key in files(tmp_path)] == ["jobs/acme/17/original"]
    blobs = ObjectStore(url)
    await blobs.put("jobs/acme/170/original", b"another's")
    await blobs.delete(deleted)
    assert files(tmp_path) == ["jobs/acme/170/original"]


async def test_what_is_half_stored_is_deleted_once_nobody_has_touched_it_for_long(tmp_path: Path) -> None:
    """Not while it may still grow, and whole objects never, however old they are."""
    blobs, began = ObjectStore(f"file://{tmp_path}"), now()
    await blobs.put("uploads/acme/whole.wav", b"whole")
    growing, left = tmp_path / "uploads/acme/growing.wav#1", tmp_path / "uploads/acme/left.wav#2"
    growing.touch()
    left.touch()
    for old in (left, tmp_path / "uploads/acme/whole.wav"):
        os.utime(old, (0, 0))
    await blobs.delete_unfinished("uploads", began - timedelta(minutes=1))
    assert sorted(files(tmp_path)) == ["uploads/acme/growing.wav#1", "uploads/acme/whole.wav"]
