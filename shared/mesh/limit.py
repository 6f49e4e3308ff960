"""Time limits of steps that also hold for native code: the process ends when a step outlives its own.

A hung extension may hold the interpreter forever, so that no Python code can stop it. `faulthandler`'s watchdog is a
thread of C that needs no interpreter: it writes every thread's traceback to standard error and ends the process with
status 1. Whoever runs the service starts it again; the attempt was counted when it was claimed.
"""

import faulthandler
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_ERROR = 2
"""The descriptor itself: `sys.stderr` may have been replaced by something that has none."""

SLACK_SECONDS = 1.0
"""How late the process may end, and how long the watchdog stays set for nothing.

Setting it ends its thread and starts another, which takes longer than all else that the mesh does for a step: it is
not set anew while it goes off within these seconds of the first deadline.
"""

# The watchdog is the process's one, and so is this: when each of the steps at work must be over, when it goes off,
# and whether somebody is going to look if there are steps at all.
_deadlines: dict[object, float] = {}
_goes_off = math.inf
_resting = False
_deciding = threading.Lock()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End the process if the block takes longer than the seconds, SLACK_SECONDS later at the most."""
    step = object()
    with _deciding:
        _deadlines[step] = time.monotonic() + seconds
        _set()
    try:
        yield
    finally:
        with _deciding:
            del _deadlines[step]
            (_set if _deadlines else _rest)()


def _set() -> None:
    global _goes_off  # noqa: PLW0603 - as the watchdog is
    first = min(_deadlines.values(), default=math.inf)
    if first <= _goes_off <= first + SLACK_SECONDS:
        return
    _goes_off = first + SLACK_SECONDS
    faulthandler.cancel_dump_traceback_later()
    if _deadlines:
        left = _goes_off - time.monotonic()
        faulthandler.dump_traceback_later(max(left, 0.001), exit=True, file=STANDARD_ERROR)


def _rest() -> None:
    """Leave the watchdog set for a moment: the next step is most often on its way."""
    global _resting  # noqa: PLW0603 - as above
    if not _resting:
        _resting = True
        look = threading.Timer(SLACK_SECONDS, _rested)
        look.daemon = True
        look.start()


def _rested() -> None:
    global _resting  # noqa: PLW0603 - as above
    with _deciding:
        _resting = False
        _set()
