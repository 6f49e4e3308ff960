"""A recording on its way in: written to a file that others read meanwhile, counted and hashed."""

import hashlib
from collections.abc import Callable

from services.downloader.growing import Growing
from services.downloader.legs import Legs
from shared.mesh.outcomes import GiveUp


class Spool:
    """Takes up to `limit` bytes of `name` into `file`, which a thread of `legs` writes.

    `check` may raise between pieces, `progress` hears the fraction that is in, once it is known how much will come.
    """

    def __init__(
        self,
        file: Growing,
        legs: Legs,
        name: str,
        limit: int,
        check: Callable[[], None],
        progress: Callable[[float], None],
    ) -> None:
        self._file, self._legs, self._name, self._limit = file, legs, name, limit
        self._check, self._progress = check, progress
        self._hash, self._expected = hashlib.sha256(), 0

    @property
    def size(self) -> int:
        """The bytes taken so far."""
        return self._file.size

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal digits."""
        return self._hash.hexdigest()

    def expect(self, size: int) -> None:
        """Take note of how many bytes will come; raise GiveUp if they are too many."""
        self._refuse_above_limit(size)
        self._expected = size
        self._file.expect(size)

    async def write(self, piece: bytes) -> None:
        """Append the piece; raise GiveUp if it is too much."""
        self._check()
        self._refuse_above_limit(self.size + len(piece))
        await self._legs.blocking(self._append, piece)
        if self._expected:
            self._progress(min(1.0, self.size / self._expected))

    def end(self) -> None:
        """Say that all is written; raise GiveUp if that is nothing."""
        if not self.size:
            raise GiveUp(f"{self._name} is empty")
        self._file.end()
        self._progress(1.0)

    def _append(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)

    def _refuse_above_limit(self, size: int) -> None:
        if size > self._limit:
            raise GiveUp(f"{self._name} is larger than {self._limit} bytes; raise SCRIBE_MAX_BYTES to allow it")
