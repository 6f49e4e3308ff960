"""The calls of the model that a watched transcriber has written down, and the batches that they make."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from deploy.local.commands import SERVICES
from shared.topology import Stage

COMMANDS = {
    **SERVICES,
    Stage.TRANSCRIBER: (sys.executable, "-m", "faststream", "run", "tests.bench.watched:build", "--factory"),
}
"""How the services of a mesh start whose transcriber is watched."""

FIRST = "encode"
CALLS = (FIRST, "generate", "align")
"""What the model is asked for a batch, in order."""


@dataclass(frozen=True)
class Call:
    """A call of the model, by which thread, its bounds in seconds of the epoch, and how many streams the model has."""

    name: str
    thread: int
    start: float
    end: float
    streams: int


@dataclass(frozen=True)
class Batch:
    """One batch in the model: seconds of the epoch."""

    start: float
    end: float


def calls(file: Path) -> list[Call]:
    """Return the calls that are over."""
    return [Call(*json.loads(line)) for line in file.read_text().splitlines()]


def batches(made: Iterable[Call]) -> list[Batch]:
    """Return the batches in the order of their ends: each begins with its windows' calls to encode, one or several."""
    ordered = sorted(made, key=lambda call: (call.thread, call.start))
    found = [batch for _, each in groupby(ordered, lambda call: call.thread) for batch in _batches(each)]
    return sorted(found, key=lambda batch: batch.end)


def _batches(made: Iterable[Call]) -> Iterator[Batch]:
    batch, before = None, ""
    for call in made:
        begins = call.name == FIRST != before
        if begins and batch is not None:
            yield batch
        batch = Batch(call.start if begins or batch is None else batch.start, call.end)
        before = call.name
    if batch is not None:
        yield batch
