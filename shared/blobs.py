"""The object store: recordings, prepared audio and transcripts, by key.

Keys are made by the mesh alone, never taken from a message without the checks in `shared.options`.
"""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import NotFoundError
from obstore.store import LocalStore, from_url

from shared.settings import STORE, naming

PART_BYTES = 8 * 1024 * 1024

PARTS = 3
"""Parts of one stream that are on their way at once: 24 MiB. obstore's own twelve would be 96 MiB a stream."""


class NoSuchObject(Exception):
    """There is no object under that key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"object store has nothing under '{key}'")
        self.key = key


class Blobs(Protocol):
    """What the mesh needs of an object store."""

    async def put(self, key: str, data: bytes | AsyncIterable[bytes] | Path) -> None:
        """Store `data` whole under `key`, replacing what was there."""

    async def get(self, key: str) -> bytes:
        """Return the whole object; raise NoSuchObject if there is none."""

    async def read(self, key: str, start: int, end: int) -> memoryview:
        """Return bytes `start` (inclusive) to `end` (exclusive), fewer at the end of the object; raise NoSuchObject."""

    async def size(self, key: str) -> int:
        """Return how many bytes the object has; raise NoSuchObject."""

    def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the object in pieces of a few megabytes; raise NoSuchObject."""

    async def delete(self, key: str) -> None:
        """Delete the object under the key, or all objects in the folder of that name; what is not there is fine."""

    async def delete_unfinished(self, folder: str, before: datetime) -> None:
        """Delete what killed processes left half stored in the folder and nobody has touched since `before`."""

    async def ping(self) -> None:
        """Raise if the store cannot be reached, or is a local folder that this process may not write in and should."""


class ObjectStore:
    """Blobs in a local folder or any store that a URL names (file://, s3://, gs://, az://, memory://).

    `written` says that this process stores or deletes, too. Raises Unusable if the folder cannot be made, or for what
    is no store's address.
    """

    def __init__(self, url: str, *, written: bool = True) -> None:
        self._written = written
        scheme, _, path = url.partition("://")
        self._folder = Path(path) if scheme == "file" else None
        with naming(*STORE):
            self._store = LocalStore(path, mkdir=True, automatic_cleanup=True) if self._folder else from_url(url)

    async def put(self, key: str, data: bytes | AsyncIterable[bytes] | Path) -> None:
        """Store `data` whole under `key`, replacing what was there; a stream goes up in parts, never held whole.

        Once it returns, the object outlives a loss of power, also in a local folder.
        """
        await obstore.put_async(self._store, key, data, chunk_size=PART_BYTES, max_concurrency=PARTS)
        if self._folder:
            await asyncio.to_thread(_kept, self._folder, key)

    async def get(self, key: str) -> bytes:
        """Return the whole object; raise NoSuchObject if there is none."""
        try:
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())
        except (NotFoundError, FileNotFoundError):
            raise NoSuchObject(key) from None

    async def read(self, key: str, start: int, end: int) -> memoryview:
        """Return bytes `start` to `end` of the object, fewer at its end; raise NoSuchObject if there is none."""
        try:
            return memoryview(await obstore.get_range_async(self._store, key, start=start, end=end))
        except (NotFoundError, FileNotFoundError):
            raise NoSuchObject(key) from None

    async def size(self, key: str) -> int:
        """Return how many bytes the object has; raise NoSuchObject if there is none."""
        try:
            return (await obstore.head_async(self._store, key))["size"]
        except (NotFoundError, FileNotFoundError):
            raise NoSuchObject(key) from None

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """Yield the object in pieces of a few megabytes; raise NoSuchObject if there is none."""
        try:
            found = await obstore.get_async(self._store, key)
        except (NotFoundError, FileNotFoundError):
            raise NoSuchObject(key) from None
        async for piece in found.stream(min_chunk_size=PART_BYTES):
            yield bytes(piece)

    async def delete(self, key: str) -> None:
        """Delete the object under the key, or all objects in the folder of that name; what is not there is fine."""
        if self._folder is not None:
            await asyncio.to_thread(_delete_unfinished, self._folder / key)
        inside = [found["path"] async for page in obstore.list(self._store, key) for found in page]
        for path in inside or [key]:
            with suppress(NotFoundError, FileNotFoundError):
                await obstore.delete_async(self._store, path)

    async def delete_unfinished(self, folder: str, before: datetime) -> None:
        """Delete what killed processes left half stored in the folder and nobody has touched since `before`.

        Stores that are no local folder keep such parts where no key leads; a rule of the bucket's own deletes them.
        """
        if self._folder is not None:
            await asyncio.to_thread(_delete_untouched, self._folder / folder, before)

    async def ping(self) -> None:
        """Raise if the store cannot be reached, PermissionError if it is a folder to be written in that cannot be."""
        await obstore.list_with_delimiter_async(self._store)
        if self._folder and self._written:
            await asyncio.to_thread(_check_writable, self._folder)


def _kept(folder: Path, key: str) -> None:
    """Have the disk itself hold the object and the folders that lead to it: obstore leaves that to the system."""
    for path in (key, *map(str, Path(key).parents)):
        with suppress(FileNotFoundError):  # deleted meanwhile
            descriptor = os.open(folder / path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _check_writable(folder: Path) -> None:
    # The system is asked, which knows of owners and of read-only mounts: storing something would cost the disk's time.
    for each in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        if not os.access(each, os.W_OK | os.X_OK) and each.exists():  # an empty one may have been deleted meanwhile
            raise PermissionError(f"{each} cannot be written in: it is another user's, or mounted read-only")


def _delete_untouched(folder: Path, before: datetime) -> None:
    for unfinished in folder.rglob("*#[0-9]*"):
        with suppress(FileNotFoundError):  # stored whole meanwhile
            if unfinished.stat().st_mtime < before.timestamp():
                unfinished.unlink()


def _delete_unfinished(path: Path) -> None:
    """Delete what a process left that was killed while it stored: `name#1`, which obstore lists nowhere.

    A folder that held nothing else goes with it; obstore would take it for an object that cannot be deleted.
    """
    for unfinished in [*path.parent.glob(f"{path.name}#*"), *path.rglob("*#*")]:
        unfinished.unlink(missing_ok=True)
    for folder in sorted([path, *path.rglob("*/")], reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
