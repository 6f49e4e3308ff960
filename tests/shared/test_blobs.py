"""The object store: what is deleted leaves nothing behind."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from shared.blobs import ObjectStore

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
