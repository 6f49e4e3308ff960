"""Runs the bench and prints its table: `python -m tests.bench [--small] [--gpu] [--only 1,3]`; it judges no time."""

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.faults import CannotRun
from shared.models import ModelStore
from tests.bench import whisper
from tests.bench.row import Row, Size
from tests.bench.rows import ROWS

COLUMNS = ("row", "measure", "ours", "peer", "ratio", "spread", "must", "aim", "reached", "beside")
WIDTH = 220
"""Letters of a line where there is no terminal."""

WRITTEN = Path(".scribe/bench")


def measured(row: Row, small: bool, gpu: bool, alone: bool) -> dict[str, Any]:
    """Return the row's figures, measured in a folder that goes at the end."""
    with TemporaryDirectory(prefix=f"scribe-bench-{row.number}-") as home:
        figures = row.figures(asyncio.run(row.run(Size(small, gpu, Path(home), alone))))
    WRITTEN.mkdir(parents=True, exist_ok=True)
    name = f"{row.number}-small.json" if small else f"{row.number}.json"
    (WRITTEN / name).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    return figures


def main(small: bool, gpu: bool, only: set[int]) -> None:
    """Measure the rows asked for, one after the other, and print the table."""
    whisper.device(gpu)  # what is missing is said before the first row
    if gpu:
        whisper.fetch(gpu, ModelStore(whisper.CACHE / "models"))
    console, table = Console(width=None if sys.stdout.isatty() else WIDTH), Table(*COLUMNS)
    chosen = [row for row in ROWS if (row.number in only if only else row.quick or not small)]
    for row in chosen:
        figures = measured(row, small, gpu, only == {row.number})
        console.print(figures)
        table.add_row(*(_cell(figures[name]) for name in COLUMNS))
    console.print(table)
    console.print(f"written to {WRITTEN}")


def _cell(value: Any) -> str:
    return "\n".join(f"{name}: {each}" for name, each in value.items()) if isinstance(value, dict) else str(value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few rows, a few minutes")
    parser.add_argument("--gpu", action="store_true", help="on the CUDA device")
    parser.add_argument("--only", default="", help="rows by number, a comma between")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    try:
        main(asked.small, asked.gpu, {int(word) for word in asked.only.split(",") if word})
    except CannotRun as why:
        raise SystemExit(f"make bench: {why}") from None
