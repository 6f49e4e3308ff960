"""What the object store promises of a local folder."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.blobs import ObjectStore


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
