"""The doctor: every part the mesh needs, its state, and what to do about it."""

import asyncio
import logging

import typer

from services.operator.checks import Finding, findings
from services.operator.screen import Rows, screen
from services.operator.settings import OperatorSettings
from shared.settings import load


def doctor() -> None:
    """Check every part the mesh needs; exit 1 if something is wrong."""
    logging.getLogger("aiormq").addHandler(
        logging.NullHandler()
    )  # what it logs about a broker that is away is in the table
    found = asyncio.run(findings(load(OperatorSettings)))
    screen().print(_table(found))
    if any(each.advice for each in found):
        raise typer.Exit(1)


def _table(found: list[Finding]) -> Rows:
    table = Rows("part", "state", "what to do")
    for each in found:
        table.add(each.part, each.state, each.advice or "-", style="red" if each.advice else None)
    return table
