"""The two deliberate failures of a stage, and the sign that its job was cancelled.

Whatever else a stage raises is a bug: it is logged loudly, retried up the ladder, then parked.
"""


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
