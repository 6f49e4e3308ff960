"""Time limits of steps that also hold for native code: the process ends when a step outlives its own.

A hung extension may hold the interpreter for ever, so that no Python code can stop it. `faulthandler`'s watchdog is a
thread of C that needs no interpreter: it writes every thread's traceback to standard error and ends the process with
status 1. Whoever runs the service starts it again; the attempt was counted when it was claimed.
"""

import faulthandler
import time
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_ERROR = 2
"""The descriptor itself: `sys.stderr` may have been replaced by something that has none."""

# The watchdog is the process's one, and so is this: when each of the steps at work must be over.
_deadlines: dict[object, float] = {}


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End the process if the block takes longer than the seconds."""
    step = object()
    _deadlines[step] = time.monotonic() + seconds
    _arm()
    try:
        yield
    finally:
        del _deadlines[step]
        _arm()


def _arm() -> None:
    faulthandler.cancel_dump_traceback_later()
    if _deadlines:
        left = min(_deadlines.values()) - time.monotonic()
        faulthandler.dump_traceback_later(max(left, 0.001), exit=True, file=STANDARD_ERROR)
