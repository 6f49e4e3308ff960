"""The command that shows a job: where it is, where it waited, where it worked, and how long."""

from datetime import datetime
from typing import Any

import typer

from services.operator.jobs import JobId, with_gateway
from services.operator.screen import Rows, screen
from shared.visible import visible

COLUMNS = ("when", "step", "attempt", "what", "waited", "worked", "worker", "reason")


def show(job: JobId) -> None:
    """Show a job and its history: every attempt with its worker, how long it waited and worked, and why it ended."""
    known = with_gateway(lambda gateway: gateway.call("GET", f"/v1/jobs/{job}", {}))
    typer.echo(f"job {known['id']}: {known['state']}, {known['priority']}, created {known['created']}")
    for said in filter(None, (known["error"], *known["warnings"])):
        typer.echo(f"  {visible(said)}")
    table = Rows(*COLUMNS)
    for entry in with_gateway(lambda gateway: gateway.call("GET", f"/v1/jobs/{job}/history", {})):
        table.add(short(entry["at"]), _step(entry), *(_text(entry[name]) for name in COLUMNS[2:]))
    screen().print(table)


def short(moment: str) -> str:
    """Return an ISO 8601 time as day and second."""
    return f"{datetime.fromisoformat(moment):%d %b %H:%M:%S}"


def _step(entry: dict[str, Any]) -> str:
    return f"{entry['stage']}-{entry['part']}" if entry["stage"] else "the job"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)
