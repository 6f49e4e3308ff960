"""Time that passes by itself: a test of what happens after a minute takes none, and no busy machine changes its end."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")


class Unhurried(asyncio.SelectorEventLoop):
    """An event loop whose clock moves on to the next timer when nothing is left to do, and stands still otherwise."""

    _now = 0.0

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._now

    def _run_once(self) -> None:
        timers = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # the loop's own
        if timers and not self._ready:  # type: ignore[attr-defined]  # as above
            self._now = max(self._now, min(timers))
        super()._run_once()  # type: ignore[misc]  # as above


def without_waiting(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Return the test, run in a loop that waits for no timer; it may use neither threads nor sockets."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=Unhurried) as runner:
            runner.run(test(*args, **kwargs))

    return run
