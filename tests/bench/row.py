"""A row of the bench: what is measured, against what, and what must come of it."""

import operator
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True)
class Size:
    """How much of a row is run: `small` is the edition for machines that only check that it runs.

    `alone` says that no other row was asked for, so that this one may take its time.
    """

    small: bool
    gpu: bool
    home: Path
    alone: bool = False


@dataclass
class Measured:
    """What a row's interleaved runs gave, run by run; `beside` is shown with them (word error rates, memory, …)."""

    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    beside: dict[str, Any] = field(default_factory=dict)

    def add(self, ours: float, peer: float, ratio: float) -> None:
        """Add one run of both sides."""
        self.ours.append(ours)
        self.peer.append(peer)
        self.ratios.append(ratio)


@dataclass(frozen=True)
class Row:
    """One row of the table; `ours` and `peer` say what the figures are, with their units.

    `better` says whether a greater or a smaller ratio is better; `quick` rows belong to the small edition.
    """

    number: int
    title: str
    ours: str
    peer: str
    must: float
    aim: float
    run: Callable[[Size], Coroutine[Any, Any, Measured]]
    better: Literal["more", "less"] = "more"
    quick: bool = False

    def reached(self, measured: Measured) -> str:
        """Return `aim`, `must` or `no`: what the median of the ratios reaches."""
        ratio = median(measured.ratios)
        good = operator.ge if self.better == "more" else operator.le
        return "aim" if good(ratio, self.aim) else "must" if good(ratio, self.must) else "no"

    def figures(self, measured: Measured) -> dict[str, Any]:
        """Return the row as it is printed and written: medians, and the spread of the ratios."""
        return {
            "row": self.number,
            "measure": self.title,
            "ours": f"{median(measured.ours):.3g} {self.ours}",
            "peer": f"{median(measured.peer):.3g} {self.peer}",
            "ratio": round(median(measured.ratios), 3),
            "spread": f"{min(measured.ratios):.3g} to {max(measured.ratios):.3g}",
            "must": f"{'≥' if self.better == 'more' else '≤'} {self.must:g}",
            "aim": f"{self.aim:g}",
            "reached": self.reached(measured),
            "beside": measured.beside,
        }
