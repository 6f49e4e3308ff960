"""A transcriber that writes down when it works: a line in `SCRIBE_BENCH_CALLS` for each call of the model.

The calls are CTranslate2's, because every way to decode ends there.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import ctranslate2
from faststream import FastStream

from services.transcriber import main
from shared.settings import Settings, load

FIRST = "encode"
CALLS = (FIRST, "generate", "align")
"""What the model is asked for a batch, in order."""


class Watched(Settings):
    """The file that calls are added to."""

    bench_calls: Path


@dataclass(frozen=True)
class Call:
    """A call of the model, by which thread, and its bounds in seconds of the epoch."""

    name: str
    thread: int
    start: float
    end: float


@dataclass(frozen=True)
class Batch:
    """One batch in the model: seconds of the epoch."""

    start: float
    end: float


def build() -> FastStream:
    """Return the transcriber."""
    file = load(Watched).bench_calls
    for name in CALLS:
        _watch(name, file)
    return main.build()


def _watch(name: str, file: Path) -> None:
    asked = getattr(ctranslate2.models.Whisper, name)

    def watched(*given: Any, **options: Any) -> Any:
        start = time.time()
        try:
            return asked(*given, **options)
        finally:
            with file.open("a") as out:
                out.write(json.dumps([name, threading.get_ident(), start, time.time()]) + "\n")

    setattr(ctranslate2.models.Whisper, name, watched)


def batches(file: Path) -> list[Batch]:
    """Return the batches that are over, in the order of their ends: each begins with a call to encode."""
    calls = [Call(*json.loads(line)) for line in file.read_text().splitlines()]
    calls.sort(key=lambda call: (call.thread, call.start))
    found = [batch for _, each in groupby(calls, lambda call: call.thread) for batch in _batches(each)]
    return sorted(found, key=lambda batch: batch.end)


def _batches(calls: Iterable[Call]) -> Iterator[Batch]:
    batch: Batch | None = None
    for call in calls:
        if call.name == FIRST and batch is not None:
            yield batch
        batch = Batch(call.start if call.name == FIRST or batch is None else batch.start, call.end)
    if batch is not None:
        yield batch
