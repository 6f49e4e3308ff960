"""What a stage is given: its job, its step, what its predecessors made, and three ways to speak to the mesh."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from shared.jobs.document import Job
from shared.jobs.step import Step
from shared.mesh.outcomes import Stopped
from shared.topology import Stage
from shared.transcript import Cut, Output

T = TypeVar("T", bound=Output)


def _unheard(fraction: float) -> None:
    """Take a stage's progress when nobody listens."""


def _unweighed(weight: int) -> None:
    """Take a step's weight when nobody asks for it."""


def _unannounced(part: Cut) -> None:
    """Take a part of a stage's output when nobody waits for it."""


@dataclass(frozen=True)
class Work:
    """One attempt at a step. `stop` is set, from any thread, when the step must end; `progress` takes 0.0 to 1.0.

    `weigh` is told how much of the step waits for the stage's engine, as soon as that is known and as it gets less: for
    the transcriber, its windows. `announce` takes, from any thread, what of the output will not change any more and can
    be worked on already; what comes later holds all that came before.
    """

    job: Job
    step: Step
    attempt: int = 1
    inputs: Mapping[Stage, tuple[Output, ...]] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[float], None] = _unheard
    weigh: Callable[[int], None] = _unweighed
    announce: Callable[[Cut], None] = _unannounced

    def outputs(self, kind: type[T]) -> list[T]:
        """Return the predecessors' outputs of one kind, in the order of their parts."""
        return [output for outputs in self.inputs.values() for output in outputs if isinstance(output, kind)]

    def check(self) -> None:
        """Raise Stopped if the step must end."""
        if self.stop.is_set():
            raise Stopped(str(self.step))
