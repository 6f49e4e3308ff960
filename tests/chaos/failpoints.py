"""Failpoints: places before and after each write, publish and acknowledgement where one process dies when told to.

They exist in the campaign's own service processes only, around the real store, the real post and real messages.
"""

import inspect
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from aio_pika.message import IncomingMessage

from shared.jobs.store import JobStore
from shared.jobs.upkeep import Upkeep
from shared.mesh.perform import Held
from shared.mesh.post import AmqpPost
from shared.mesh.run import Executor
from shared.transcript import Cut

READS = {"find", "outputs", "history", "running", "next_waiting", "ping", "count"}
PLUMBING = {"open", "close", "publish"}
"""What the post is made of: `publish` is behind everything it says."""


def _methods(kind: type) -> list[str]:
    named = [name for name, found in vars(kind).items() if inspect.iscoroutinefunction(found)]
    return [name for name in named if not name.startswith("_") and name not in READS | PLUMBING]


ANNOUNCING = tuple(
    f"announcing.{place}" for place in ("store.put_output", "store.save", "post.step", "store.published")
)
"""Places that a downloader passes for what it announces, besides passing them for what it commits."""

NAMES = [
    f"{place}:{when}"
    for place in (
        *(f"store.{name}" for name in _methods(JobStore)),
        *(f"upkeep.{name}" for name in _methods(Upkeep)),
        *(f"post.{name}" for name in _methods(AmqpPost)),
        *("message.ack", "message.nack"),
        *ANNOUNCING,
    )
    for when in ("before", "after")
]
"""Every failpoint: a new method of the store or the post has its own."""


announcing = ContextVar("announcing", default=False)
"""Whether what is written and published is an announcement."""


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

    def around(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the call with a failpoint on either side."""

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            names = (name, f"announcing.{name}") if announcing.get() else (name,)
            for each in names:
                self.check(f"{each}:before")
            result = await call(*args, **kwargs)
            for each in names:
                self.check(f"{each}:after")
            return result

        return guarded

    def guard(self, part: Any, place: str, kind: type) -> None:
        """Put failpoints around the part's methods that its kind names, but for those that only read."""
        for name in _methods(kind):
            setattr(part, name, self.around(f"{place}.{name}", getattr(part, name)))

    def guard_announcements(self) -> None:
        """Have this process know when what it writes and publishes is an announcement."""
        announce = Executor.announce

        async def known(executor: Executor, held: Held, part: Cut) -> None:
            token = announcing.set(True)
            try:
                await announce(executor, held, part)
            finally:
                announcing.reset(token)

        Executor.announce = known  # type: ignore[method-assign, assignment]  # the one place that says what is announced

    def guard_messages(self) -> None:
        """Put failpoints around every message's settling in this process."""
        for name in ("ack", "nack"):
            real = getattr(IncomingMessage, name)

            def settle(
                message: IncomingMessage, *args: Any, _real: Any = real, _name: str = name, **kwargs: Any
            ) -> Any:
                return self.around(f"message.{_name}", _real)(message, *args, **kwargs)

            setattr(IncomingMessage, name, settle)
