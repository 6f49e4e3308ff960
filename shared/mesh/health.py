"""Liveness, readiness and metrics on a port of their own, alive until the drain is over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.settings import HEALTH, naming

log = logging.getLogger(__name__)

PING_SECONDS = 5.0

Ping = Callable[[], Awaitable[None]]


class Health:
    """GET /live answers while the process does, /ready pings every part (200 or 503), /metrics is for Prometheus.

    As long as `starting` is true, the process is not ready, however well its parts are.
    """

    def __init__(self, host: str, port: int, pings: Mapping[str, Ping], *, starting: bool = False) -> None:
        self._host, self._port, self._pings = host, port, pings
        self.starting = starting
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Serve; port 0 takes a free one, which the log names. Raises Unusable if the port is taken."""
        app = web.Application()
        app.add_routes([web.get("/live", _live), web.get("/ready", self._ready), web.get("/metrics", _metrics)])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        with naming(*HEALTH):
            await web.TCPSite(self._runner, self._host, self._port).start()
        log.info("health on http://%s:%s", *self._runner.addresses[0][:2])

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def check(self) -> tuple[bool, dict[str, str]]:
        """Return whether the process has started and every part answers, and for each `ok` or what is wrong with it."""
        wrong = await asyncio.gather(*map(_wrong, self._pings.values()))
        parts = {name: each or "ok" for name, each in zip(self._pings, wrong, strict=True)}
        if self.starting:
            return False, {"service": "is starting", **parts}
        return not any(wrong), parts

    async def _ready(self, request: web.Request) -> web.Response:
        del request
        well, parts = await self.check()
        return web.json_response(parts, status=200 if well else 503)


async def _wrong(ping: Ping) -> str | None:
    try:
        async with asyncio.timeout(PING_SECONDS):
            await ping()
    except Exception as problem:  # noqa: BLE001 - whatever is wrong with the part is the answer
        return f"{type(problem).__name__}: {problem}"
    return None


async def _live(request: web.Request) -> web.Response:
    del request
    return web.json_response({"live": True})


async def _metrics(request: web.Request) -> web.Response:
    del request
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
