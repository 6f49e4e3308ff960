"""The command that shows a job: where it is, where it waited, where it worked, and how long."""

from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from services.operator.jobs import JobId, with_gateway

COLUMNS = ("at", "stage", "part", "attempt", "what", "waited", "worked", "worker", "reason")


def show(job: JobId) -> None:
    """Show a job and its history: every attempt with its worker, how long it waited and worked, and why it ended."""
    known = with_gateway(lambda gateway: gateway.call("GET", f"/v1/jobs/{job}", {}))
    typer.echo(f"job {known['id']}: {known['state']}, {known['priority']}, created {known['created']}")
    for said in filter(None, (known["error"], *known["warnings"])):
        typer.echo(f"  {said}")
    table = Table(*COLUMNS)
    for entry in with_gateway(lambda gateway: gateway.call("GET", f"/v1/jobs/{job}/history", {})):
        table.add_row(*(_text(entry[name]) for name in COLUMNS))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)
