"""A recording on its way in: written to a file, counted and hashed, and read again in pieces.

The files have no name: the kernel frees them when the process ends, even when it is killed.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

from shared.blobs import PART_BYTES
from shared.mesh.outcomes import GiveUp


def unnamed(folder: Path) -> IO[bytes]:
    """Return an empty file inside `folder`, made if it is missing, that goes when it is closed."""
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


async def pieces(file: IO[bytes], check: Callable[[], None]) -> AsyncIterator[bytes]:
    """Yield the whole file in pieces of a few megabytes; `check` may raise between them."""
    await asyncio.to_thread(file.seek, 0)
    while piece := await asyncio.to_thread(file.read, PART_BYTES):
        check()
        yield piece


class Spool:
    """Takes up to `limit` bytes of `name` into `file`; `check` may raise between pieces, `progress` hears fractions."""

    def __init__(
        self, file: IO[bytes], name: str, limit: int, check: Callable[[], None], progress: Callable[[float], None]
    ) -> None:
        self._file, self._name, self._limit = file, name, limit
        self._check, self._progress = check, progress
        self._hash, self._expected = hashlib.sha256(), 0
        self.size = 0

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal digits."""
        return self._hash.hexdigest()

    def expect(self, size: int) -> None:
        """Take note of how many bytes are said to come; raise GiveUp if they are too many."""
        self._refuse_above_limit(size)
        self._expected = size

    async def write(self, piece: bytes) -> None:
        """Append the piece; raise GiveUp if it is too much."""
        self._check()
        self._refuse_above_limit(self.size + len(piece))
        await asyncio.to_thread(self._append, piece)
        if self._expected:
            self._progress(min(1.0, self.size / self._expected))

    def _append(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    def _refuse_above_limit(self, size: int) -> None:
        if size > self._limit:
            raise GiveUp(f"{self._name} is larger than {self._limit} bytes; raise SCRIBE_MAX_BYTES to allow it")
