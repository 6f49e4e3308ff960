"""How each service starts, as data: one row per process kind, `{port}` where the gateway's port goes."""

import sys
from collections.abc import Mapping
from pathlib import Path

from shared.topology import Stage

ROOT = Path(__file__).parents[2]
"""Where `services` and `shared` lie: the working directory of every service."""

GATEWAY = "gateway"

Command = tuple[str, ...]

SERVICES: Mapping[str, Command] = {
    **{
        stage.value: (sys.executable, "-m", "faststream", "run", f"services.{stage}.main:build", "--factory")
        for stage in Stage
    },
    GATEWAY: (
        *(sys.executable, "-m", "uvicorn", "services.gateway.main:build", "--factory"),
        *("--host", "127.0.0.1", "--port", "{port}", "--timeout-keep-alive", "75"),
    ),
}

# What suits one machine without a hub; the environment the runner is started in has the last word.
DEFAULTS: Mapping[str, str] = {
    "SCRIBE_TRANSCRIBER_MODEL": "base",
    "SCRIBE_GRACE": "10",
    # Torch's threads otherwise wait for each other spinning, which on busy cores costs minutes instead of seconds.
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONUNBUFFERED": "1",
    # Otherwise every thread that ever decoded something keeps an arena of memory of its own (seen: 120 MB more).
    "MALLOC_ARENA_MAX": "2",
    "TYPER_STANDARD_TRACEBACK": "1",  # FastStream's command would draw a box of hundreds of lines around an exception
}
