"""A job's progress as bars, one per stage."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from services.operator.sse import EventData
from shared.flow import FLOW, OUTSIDE
from shared.topology import Happening, Stage

SNAPSHOT = "snapshot"
"""The gateway's first event: the job as it is when listening begins."""


class Fractions:
    """How much of each stage is done (0 to 1), as the job's events tell it; a bar never goes back."""

    def __init__(self) -> None:
        self.of = {stage: 0.0 for stage in FLOW if stage not in OUTSIDE}

    def tell(self, event: EventData) -> None:
        """Take one event: before a stage that works, all stages are done; of a completed job, all stages are."""
        if event["happening"] == Happening.PROGRESS:
            self._reach(Stage(event["stage"]), event["stage_fraction"])
        if event["happening"] == SNAPSHOT:
            for stage, shown in event["stages"].items():
                self._reach(Stage(stage), shown["fraction"])
        if event["happening"] == Happening.COMPLETED:
            self.of = dict.fromkeys(self.of, 1.0)

    def _reach(self, stage: Stage, fraction: float) -> None:
        self.of[stage] = max(self.of[stage], fraction)
        if fraction:
            self.of |= dict.fromkeys(FLOW[stage], 1.0)


class Bars:
    """Shows the fractions on a terminal; use as a context manager. Without a terminal only the last state is shown."""

    def __init__(self, console: Console) -> None:
        self._fractions = Fractions()
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._rows: dict[Stage, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        self._rows = {stage: self._progress.add_task(stage, total=1.0) for stage in self._fractions.of}
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, event: EventData) -> None:
        """Show what the event tells."""
        self._fractions.tell(event)
        for stage, fraction in self._fractions.of.items():
            self._progress.update(self._rows[stage], completed=fraction)
