"""A stand-in for the gateway that the commands ask."""

from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


def gateway_that(handle: Any) -> TestServer:
    """Return a loopback server that answers everything with `handle`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    return TestServer(app)
