"""The application: its routes, its failures' answers and its description, with nothing behind them yet."""

from typing import Any

from fastapi import FastAPI

from services.gateway.answers import answer_failures
from services.gateway.openapi import ABOUT, Described
from services.gateway.operating import dead
from services.gateway.routes import jobs, wellbeing


def application(**options: Any) -> FastAPI:
    """Return the application; `state.desk` and `state.health` are set before the first request."""
    # A redirect to the address without its last slash would name what this server takes for its scheme and host: behind
    # a proxy that ends TLS, a client that follows it would send its token in clear.
    app = Described(title="Scribe Mesh", version="1", description=ABOUT, redirect_slashes=False, **options)
    app.include_router(jobs)
    app.include_router(dead)
    app.include_router(wellbeing)
    answer_failures(app)
    return app
