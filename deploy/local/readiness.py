"""A socket on which a process says that it is ready, as systemd would offer it (sd_notify)."""

import asyncio
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATAGRAM_BYTES = 4096


class Readiness:
    """The socket; give its `path` to the process as NOTIFY_SOCKET."""

    def __init__(self, path: Path, listening: socket.socket) -> None:
        self.path = path
        self._listening = listening

    async def heard(self) -> bool:
        """Return True once the process has said READY=1."""
        loop = asyncio.get_running_loop()
        while b"READY=1" not in await loop.sock_recv(self._listening, DATAGRAM_BYTES):
            continue
        return True


@contextmanager
def readiness() -> Iterator[Readiness]:
    """Open a socket in a short temporary folder (a socket's path may not exceed 107 bytes)."""
    with tempfile.TemporaryDirectory(prefix="scribe-") as folder, _datagrams() as listening:
        path = Path(folder) / "ready"
        listening.bind(str(path))
        yield Readiness(path, listening)


def _datagrams() -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.setblocking(False)  # noqa: FBT003 - the standard library takes no name here
    return listening
