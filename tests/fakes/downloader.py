"""A downloader with a store of its own, and servers that answer as they are told."""

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.downloader.fetch import Fetcher
from services.downloader.settings import DownloaderSettings
from services.downloader.stage import prepare
from shared.addresses import AddressGuard
from shared.blobs import ObjectStore
from shared.mesh.work import Work
from shared.options import Source
from shared.seal import Seal, shown
from shared.transcript import Prepared
from tests.fakes.jobs import new_job

KEY = SecretStr(Fernet.generate_key().decode())
LOOPBACK = ip_network("127.0.0.0/8")

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Answer], Awaitable[str]]


class Desk:
    """A downloader with its store and its work folder; `limits` are settings."""

    def __init__(self, folder: Path, *, open_loopback: bool = True, **limits: Any) -> None:
        self.blobs = ObjectStore(f"file://{folder}/blobs")
        self.folder = folder / "work"
        networks = (LOOPBACK,) if open_loopback else ()
        self.settings = DownloaderSettings(
            seal_key=KEY, allowed_networks=networks, work_dir=self.folder, **{"max_idle_seconds": 300.0, **limits}
        )
        self.fetcher = Fetcher(AddressGuard(networks), self.settings.max_redirects, self.settings.max_idle_seconds)

    def work(self, source: Source, **options: Any) -> Work:
        """Return a job's first step, its source sealed as intake does it."""
        moved = new_job(source=shown(source).model_dump(exclude_defaults=True), **options)
        sealed = Seal(KEY).seal(source) if source.url else None
        return Work(moved.job.model_copy(update={"sealed": sealed}), moved.steps[0])

    async def prepare(self, work: Work) -> Prepared:
        """Do the step; whatever comes of it, nothing is left in the work folder."""
        try:
            return await prepare(work, self.fetcher, self.blobs, Seal(KEY).open, self.settings)
        finally:
            assert not list(self.folder.iterdir())

    async def get(self, url: str, headers: dict[str, str] | None = None) -> Prepared:
        """Do the step for an address."""
        return await self.prepare(self.work(Source(url=url, headers=headers or {})))


def giving(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Return an answer that is always the same."""

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=body, status=status, headers=headers)

    return answer


def saying(answer: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a server's part that says this, HTTP or not, and closes the connection."""

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return answering


def leading_to(place: str) -> Answer:
    """Return an answer that redirects."""
    return giving(b"", 302, {"Location": place})


def in_two(body: bytes, onward: asyncio.Event, stated: bool = True) -> Answer:
    """Return an answer that gives the first half, and the second when it is told to."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(body))} if stated else {})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await onward.wait()
        await response.write(body[len(body) // 2 :])
        return response

    return answer


def broken_off(body: bytes, onward: asyncio.Event) -> Answer:
    """Return an answer that gives the first half, and ends the connection when it is told to."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        await onward.wait()
        assert request.transport is not None
        request.transport.close()
        return response

    return answer
