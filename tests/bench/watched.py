"""A transcriber that writes down when it works: a line in `SCRIBE_BENCH_CALLS` for each call of the model.

The calls are CTranslate2's, because every way to decode ends there.
"""

import json
import threading
import time
from pathlib import Path
from typing import Any

import ctranslate2
from faststream import FastStream

from services.transcriber import main
from shared.settings import Settings, load
from tests.bench.calls import CALLS


class Watched(Settings):
    """The file that calls are added to."""

    bench_calls: Path


def build() -> FastStream:
    """Return the transcriber."""
    file = load(Watched).bench_calls
    for name in CALLS:
        _watch(name, file)
    return main.build()


def _watch(name: str, file: Path) -> None:
    asked = getattr(ctranslate2.models.Whisper, name)

    def watched(whisper: Any, *given: Any, **options: Any) -> Any:
        start = time.time()
        try:
            return asked(whisper, *given, **options)
        finally:
            with file.open("a") as out:
                out.write(json.dumps([name, threading.get_ident(), start, time.time(), whisper.num_workers]) + "\n")

    setattr(ctranslate2.models.Whisper, name, watched)
