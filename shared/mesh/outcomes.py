"""How a step can end: the closed set of outcomes, and what a stage raises to choose one.

`TryLater` and `GiveUp` are the two deliberate failures. Whatever else a stage raises is a bug: it is logged loudly,
retried up the ladder, then parked.
"""

from dataclasses import dataclass

from shared.transcript import Output

REASON_LETTERS = 500
"""Of a reason: the job document keeps it, and a dead letter's headers, of which the broker takes 128 KB."""


class TryLater(Exception):
    """The step cannot be done now; try again after `delay` seconds."""

    def __init__(self, reason: str, delay: float = 10.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


class GiveUp(Exception):
    """The step can never be done; `reason` says what is wrong, where, and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Stopped(Exception):
    """The stage saw `work.stop` set and left off; nothing it made is kept."""


@dataclass(frozen=True)
class Done:
    """The stage made its output."""

    output: Output


@dataclass(frozen=True)
class Again:
    """The step is to be tried again after `delay` seconds."""

    reason: str
    delay: float


@dataclass(frozen=True)
class Dead:
    """The step is given up on; `output` stands in for what it should have made, if anything can."""

    reason: str
    failure: BaseException | None = None
    output: Output | None = None


@dataclass(frozen=True)
class Left:
    """The stage left off because it was told to stop."""


Outcome = Done | Again | Dead | Left


def short(reason: str) -> str:
    """Return the beginning of a reason, in letters that can be stored: whoever failed may have put anything in it."""
    return reason[:REASON_LETTERS].encode(errors="replace").decode()
