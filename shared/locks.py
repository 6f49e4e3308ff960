"""Locks that processes of one machine hold against each other."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold the file's lock inside the block, blocking until it is free; the system lets go of it if this process dies.

    Raises OSError if the file cannot be opened for writing or its file system has no locks.
    """
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
