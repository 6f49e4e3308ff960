"""The webhooks' target: remembers who was told what, and can refuse at first."""

import asyncio
import json
from collections import Counter, defaultdict
from typing import Self

from aiohttp import web


class Sink:
    """Open with `async with`; `told` counts webhook ids by job, `happenings` what each id said.

    While `answering` is not set, whoever calls waits.
    A webhook id is refused `refusals` times before it is taken: as long as that takes by the ladder, it is down.
    """

    def __init__(self) -> None:
        self.refusals = 0
        self.refused = Counter[str]()
        self.told: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.happenings: dict[str, str] = {}
        self.came, self.answering = asyncio.Event(), asyncio.Event()
        self.answering.set()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        await self.answering.wait()
        event, name = json.loads(await request.read()), request.headers["webhook-id"]
        if self.refused[name] < self.refusals:
            self.refused[name] += 1
            return web.Response(status=503)
        self.told[event["job"]][name] += 1
        self.happenings[name] = event["happening"]
        self.came.set()
        return web.Response()
