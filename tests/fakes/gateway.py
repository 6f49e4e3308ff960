"""The gateway on a loopback port, with the real intake behind it and neither broker nor database."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from pydantic_core import to_json

from services.gateway.application import application
from services.gateway.desk import Desk
from services.gateway.listeners import Listeners
from services.gateway.places import Places
from services.gateway.submitter import Asks
from services.gateway.tenants import Tenants
from shared.blobs import ObjectStore
from shared.mesh.health import Health
from shared.messages import Reply
from tests.fakes.incoming import Incoming
from tests.fakes.intake import intake
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore

UPLOADS = 2


class Intake:
    """Intake without a broker between."""

    def __init__(self, store: MemoryStore, post: MemoryPost) -> None:
        self._desk, self._post = intake(store, post), post

    async def ask(self, key: str, message: dict[str, Any]) -> Reply:
        """Return intake's reply to the message."""
        incoming: Any = Incoming(to_json(message), key)
        await self._desk.handle(incoming)
        return self._post.replies[-1]


class House:
    """The parts of one gateway, and a client of it."""

    def __init__(self, folder: Path, tokens: dict[str, str], max_upload: int, listeners: int) -> None:
        self.store, self.post, self.folder = MemoryStore(), MemoryPost(), folder
        self.listeners = Listeners(Places("SCRIBE_GATEWAY_LISTENERS", listeners, listeners))
        self.intake: Asks = Intake(self.store, self.post)
        self.desk = Desk(
            store=self.store,
            blobs=ObjectStore(f"file://{folder}"),
            intake=self,
            listeners=self.listeners,
            tenants=Tenants({tenant: SecretStr(token) for tenant, token in tokens.items()}),
            dead_letters=None,  # type: ignore[arg-type]  # dead letters need a broker: their tests have one
            uploads=Places("SCRIBE_GATEWAY_UPLOADS", UPLOADS, UPLOADS),
            max_upload=max_upload,
        )
        self.pings = {"database": self.store.ping, "object store": self.desk.blobs.ping}
        self.app = application()
        self.http: aiohttp.ClientSession

    async def ask(self, key: str, message: dict[str, Any]) -> Reply:
        """Ask whatever stands for intake now."""
        return await self.intake.ask(key, message)

    def stored(self) -> list[Path]:
        """Return the files of the object store."""
        return [path for path in self.folder.rglob("*") if path.is_file()]


@asynccontextmanager
async def gateway(
    folder: Path, tokens: dict[str, str] | None = None, max_upload: int = 1 << 20, listeners: int = 8
) -> AsyncIterator[House]:
    """Serve the gateway's routes."""
    house = House(folder, tokens or {}, max_upload, listeners)
    house.app.state.desk = house.desk
    house.app.state.health = Health("127.0.0.1", 0, house.pings)
    async with served(house.app) as url, aiohttp.ClientSession(url) as house.http:
        yield house


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve an application on a free port; a client that comes early waits in the socket's queue."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_keep_alive=75))
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
