"""A file that grows: one thread writes it to its end while others read what is there already.

The file has no name: the kernel frees it when the process ends, even when it is killed.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Condition
from typing import Self

GRAIN = 1024 * 1024
"""Bytes written before they are shown to those who wait: half a minute of prepared sound."""


class Abandoned(Exception):
    """The file will not be written to its end."""


class Growing:
    """An empty file inside `folder`, which is made if it is missing; `with` makes the file and frees it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changed = Condition()
        self._shown = 0
        self._stated: int | None = None
        self._ended = self._abandoned = False
        self.size = 0

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def expect(self, size: int) -> None:
        """State how many bytes there will be, so that nobody must wait for the end to know it."""
        with self._changed:
            self._stated = size
            self._changed.notify_all()

    def write(self, data: bytes | memoryview) -> int:
        """Append the data and return its number of bytes; raise Abandoned."""
        self._refuse_abandoned()
        written = self._file.write(data)
        self.size += written
        if self.size - self._shown >= GRAIN:
            self._show()
        return written

    def end(self) -> None:
        """Say that the file is written to its end."""
        self._file.flush()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Make all who read or write raise Abandoned."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def share(self, place: int) -> float:
        """Return what fraction of the whole file lies before a place: 0 for as long as its length is not known."""
        whole = self._stated or (self.size if self._ended else 0)
        return min(1.0, place / whole) if whole else 0.0

    def length(self) -> int:
        """Return how many bytes the whole file has; block until that is known, raise Abandoned."""
        self._wait(lambda: self._ended or self._stated is not None)
        return self.size if self._ended or self._stated is None else self._stated

    def read(self, start: int, end: int) -> bytes:
        """Return bytes `start` to `end`, fewer at the file's end; block until they are there, raise Abandoned."""
        self._wait(lambda: self._ended or self._shown >= end)
        return os.pread(self._file.fileno(), end - start, start)

    def _show(self) -> None:
        self._file.flush()
        with self._changed:
            self._shown = self.size
            self._changed.notify_all()

    def _wait(self, true: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or true())
            self._refuse_abandoned()

    def _refuse_abandoned(self) -> None:
        if self._abandoned:
            raise Abandoned


class Reader:
    """A file object over a growing file, with a place of its own; blocks until what is asked for is there."""

    def __init__(self, file: Growing) -> None:
        self._file, self._at = file, 0

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end; raise Abandoned."""
        data = self._file.read(self._at, self._at + size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, counted from the start, from here or from the end, and return it; raise Abandoned."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = offset + (self._file.length() if origin is None else origin)
        return self._at

    def tell(self) -> int:
        """Return the place from which the next bytes are read."""
        return self._at
