"""A step: the unit of work that a message asks for."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from shared.topology import Stage


@dataclass(frozen=True, order=True)
class Step:
    """(job, stage, part): what one message asks for.

    `part` is the chunk's index for the transcriber, the piece's (or, behind the last, the join) for the diarizer, the
    delivery for the notifier, else 0.
    """

    job: str
    stage: Stage
    part: int = 0

    @property
    def key(self) -> str:
        """The step's name inside its job document, such as `transcriber-3`."""
        return self.named(self.stage, self.part)

    @staticmethod
    @lru_cache(maxsize=1_000)
    def named(stage: Stage, part: int) -> str:
        """Return the key of that part of the stage in any job."""
        return f"{stage}-{part}"

    @classmethod
    def of(cls, job: str, key: str) -> Self:
        """Return the step that `key` names inside `job`."""
        stage, _, part = key.rpartition("-")
        return cls(job, Stage(stage), int(part))

    def __str__(self) -> str:
        return f"{self.job}/{self.key}"
