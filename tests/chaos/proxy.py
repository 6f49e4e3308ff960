"""A TCP proxy on the loopback whose network can be made slow, cut, or dead without a word."""

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

PIECE = 1 << 16
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on with no time: closing sends a reset."""


class Proxy:
    """Open with `async with`; forwards to `port` of the loopback once that is known."""

    def __init__(self) -> None:
        self.to = 0
        self.delay = 0.0
        self._alive = asyncio.Event()
        self._alive.set()
        self._stranded = set[asyncio.StreamWriter]()
        self._writers = set[asyncio.StreamWriter]()
        self._tasks = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        """Cut every connection as a crashed router would."""
        for writer in list(self._writers):
            found = writer.get_extra_info("socket")
            if found is not None and found.fileno() >= 0:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def half_open(self) -> None:
        """Let connections stand and carry nothing."""
        self._alive.clear()

    def strand(self) -> None:
        """Swallow, for ever, what the connections of now carry, as a router that forgot them; new ones are carried."""
        self._stranded |= self._writers

    def heal(self) -> None:
        """Carry everything again, at once; what was on its way in half-open connections is lost with them."""
        self.delay = 0.0
        if not self._alive.is_set():
            self.reset()
            self._alive.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._alive.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        self._start(self._carry(reader, far_writer))
        self._start(self._carry(far_reader, writer))

    def _start(self, carrying: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(carrying)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while piece := await reader.read(PIECE):
                await asyncio.sleep(self.delay)
                await self._alive.wait()
                if writer in self._stranded:
                    continue
                writer.write(piece)
                await writer.drain()
        if writer in self._stranded:
            return  # nobody tells the other side that this one is gone
        self._writers.discard(writer)
        writer.close()
