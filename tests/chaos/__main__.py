"""Runs the campaign and prints its table: `python -m tests.chaos [--full] [--only 1,2]`; fails on any miss."""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.books import Books
from tests.chaos.campaign import Campaign, campaign
from tests.chaos.scenarios import SCENARIOS, Scenario, Size

COLUMNS = ("scenario", "jobs", "faults", "lost", "duplicate effects", "duplicate deliveries", "recovery s", "verdict")

log = logging.getLogger(__name__)

WIDTH = 160
"""Letters of a line where there is no terminal: the table's words stay whole."""


async def run(scenario: Scenario, size: Size, mesh: Campaign) -> Books:
    """Return the scenario's books; one that could not be balanced is wrong in the words of its failure.

    All that is wrong is in the campaign's log; the table has the first of it.
    """
    try:
        books = await scenario.run(mesh, size)
    except Exception as failure:  # noqa: BLE001 - the table must show it beside the others
        traceback.print_exc()
        books = Books(size.jobs, wrong=[f"{type(failure).__name__}: {failure}"])
    for wrong in books.wrong:
        log.error("%s: %s", scenario.title, wrong)
    return books


async def main(full: bool, only: set[int]) -> bool:
    """Run the scenarios asked for, print the table, and return whether all their books are balanced."""
    console, table, rows = Console(width=None if sys.stdout.isatty() else WIDTH), Table(*COLUMNS), []
    chosen = [each for each in SCENARIOS if not only or each.number in only | {0}]
    folder = Path(tempfile.mkdtemp(prefix="scribe-chaos-"))
    console.print(f"the processes' lines are in {folder}/mesh.log, the campaign's own in {folder}/campaign.log")
    logging.basicConfig(filename=folder / "campaign.log")
    async with campaign(folder) as mesh:
        for scenario in chosen:
            began, size = time.monotonic(), scenario.full if full else scenario.small
            rows.append(_row(scenario, size, await run(scenario, size, mesh), time.monotonic() - began))
            console.print(rows[-1])
    for row in rows:
        table.add_row(*(str(row[name]) for name in COLUMNS))
    console.print(table)
    console.print_json(json.dumps(rows))
    return all(row["verdict"] == "held" for row in rows)


def _row(scenario: Scenario, size: Size, books: Books, seconds: float) -> dict[str, object]:
    return {
        "scenario": f"{scenario.number} {scenario.title}",
        "jobs": books.jobs,
        "faults": size.faults,
        "lost": books.lost,
        "duplicate effects": books.duplicate_effects,
        "duplicate deliveries": books.duplicate_deliveries,
        "recovery s": round(books.recovery, 1),
        "seconds": round(seconds, 1),
        "verdict": "held" if books.balanced else "MISSED: " + "; ".join(books.wrong)[:600],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the full loads and faults")
    parser.add_argument("--only", default="", help="scenarios by number, a comma between")
    asked = parser.parse_args()
    held = asyncio.run(main(asked.full, {int(word) for word in asked.only.split(",") if word}))
    sys.exit(not held)
