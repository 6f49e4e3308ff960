"""The campaign's proxy does to real sockets what it says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.chaos

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(100):
        writer.write(piece)
    writer.close()


@asynccontextmanager
async def echoing() -> AsyncIterator[Proxy]:
    """Give a proxy before a server that answers with what it is told."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, Proxy() as proxy:
        proxy.to = server.sockets[0].getsockname()[1]
        yield proxy


async def said(streams: Streams, seconds: float = 60.0) -> bytes:
    """Say something and return the answer; raise TimeoutError if there is none."""
    reader, writer = streams
    writer.write(b"word")
    async with asyncio.timeout(seconds):
        return await reader.read(100)


async def connected(proxy: Proxy) -> Streams:
    """Return a new connection through the proxy."""
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_a_slow_network_delays_each_way_and_healing_makes_it_quick() -> None:
    """There and back takes twice the delay, and nothing of it once healed, however long it was."""
    async with echoing() as proxy:
        streams, clock = await connected(proxy), asyncio.get_running_loop().time
        proxy.delay = 0.2
        began = clock()
        assert await said(streams) == b"word"
        assert clock() - began >= 0.4
        proxy.delay = 3_600.0
        proxy.heal()
        assert await said(streams) == b"word"


async def test_a_reset_is_one_and_new_connections_are_carried() -> None:
    """The client's socket fails with a reset, not with an orderly end."""
    async with echoing() as proxy:
        streams = await connected(proxy)
        assert await said(streams) == b"word"
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await said(streams)
        assert await said(await connected(proxy)) == b"word"


async def test_a_half_open_network_says_nothing_until_it_heals() -> None:
    """Neither old nor new connections carry a byte; healing cuts the old ones."""
    async with echoing() as proxy:
        old = await connected(proxy)
        assert await said(old) == b"word"
        proxy.half_open()
        for streams in (old, await connected(proxy)):
            with pytest.raises(TimeoutError):
                await said(streams, 0.2)
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            await said(old)
        assert await said(await connected(proxy)) == b"word"


async def test_stranded_connections_stay_silent_while_new_ones_are_carried() -> None:
    """As behind a router that forgot its connections: no byte, no end, and no cure but to connect anew."""
    async with echoing() as proxy:
        old = await connected(proxy)
        assert await said(old) == b"word"
        proxy.strand()
        with pytest.raises(TimeoutError):
            await said(old, 0.2)
        assert await said(await connected(proxy)) == b"word"
        proxy.heal()
        with pytest.raises(TimeoutError):
            await said(old, 0.2)
