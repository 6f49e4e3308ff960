"""The application: its routes, its failures' answers and its description, with nothing behind them yet."""

from typing import Any

from fastapi import FastAPI

from services.gateway.answers import answer_failures
from services.gateway.openapi import ABOUT, Described
from services.gateway.operating import dead
from services.gateway.routes import jobs, wellbeing


def application(**options: Any) -> FastAPI:
    """Return the application; `state.desk` and `state.health` are set before the first request."""
    app = Described(title="Scribe Mesh", version="1", description=ABOUT, **options)
    app.include_router(jobs)
    app.include_router(dead)
    app.include_router(wellbeing)
    answer_failures(app)
    return app
