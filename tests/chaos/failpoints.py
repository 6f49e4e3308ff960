"""Failpoints: places before and after each write, publish and acknowledgement where one process dies when told to.

They exist in the campaign's own service processes only, around the real store, the real post and real messages.
"""

import inspect
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aio_pika.message import IncomingMessage

from shared.jobs.store import JobStore
from shared.jobs.upkeep import Upkeep
from shared.mesh.post import AmqpPost

READS = {"find", "outputs", "history", "running", "next_waiting", "ping", "count"}
PLUMBING = {"open", "close", "publish"}
"""What the post is made of: `publish` is behind everything it says."""


def _methods(kind: type) -> list[str]:
    named = [name for name, found in vars(kind).items() if inspect.iscoroutinefunction(found)]
    return [name for name in named if not name.startswith("_") and name not in READS | PLUMBING]


NAMES = [
    f"{place}:{when}"
    for place in (
        *(f"store.{name}" for name in _methods(JobStore)),
        *(f"upkeep.{name}" for name in _methods(Upkeep)),
        *(f"post.{name}" for name in _methods(AmqpPost)),
        *("message.ack", "message.nack"),
    )
    for when in ("before", "after")
]
"""Every failpoint: a new method of the store or the post has its own."""


class Failpoints:
    """Dies at the place that the file `failpoint` names; taking the file away makes sure that only one process does."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "failpoint"

    def arm(self, name: str) -> None:
        """Make the next process that comes by die."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(name)
        fresh.rename(self._file)

    @property
    def armed(self) -> bool:
        """Whether nobody has died yet."""
        return self._file.exists()

    def disarm(self) -> None:
        """Let everybody live."""
        self._file.unlink(missing_ok=True)

    def check(self, name: str) -> None:
        """Die if this is the place, and the first to come."""
        try:
            if self._file.read_text() == name:
                self._file.rename(self._file.with_suffix(".done"))
                os.kill(os.getpid(), signal.SIGKILL)
        except FileNotFoundError:
            return  # not armed, or another process was faster

    def around(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return the call with a failpoint on either side."""

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            self.check(f"{name}:before")
            result = await call(*args, **kwargs)
            self.check(f"{name}:after")
            return result

        return guarded

    def guard(self, part: Any, place: str, kind: type) -> None:
        """Put failpoints around the part's methods that its kind names, but for those that only read."""
        for name in _methods(kind):
            setattr(part, name, self.around(f"{place}.{name}", getattr(part, name)))

    def guard_messages(self) -> None:
        """Put failpoints around every message's settling in this process."""
        for name in ("ack", "nack"):
            real = getattr(IncomingMessage, name)

            def settle(
                message: IncomingMessage, *args: Any, _real: Any = real, _name: str = name, **kwargs: Any
            ) -> Any:
                return self.around(f"message.{_name}", _real)(message, *args, **kwargs)

            setattr(IncomingMessage, name, settle)
