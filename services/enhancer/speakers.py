"""Who says a word: the voice with the greatest overlap, or the nearest turn within reach."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

from shared.transcript import Span, Turn


class Voices:
    """The turns of a recording, ready to be asked who speaks in a span; `reach` is in seconds."""

    def __init__(self, turns: Iterable[Turn], reach: float) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start)
        self._starts = [turn.start for turn in self._turns]
        # The latest end of all turns up to each: before it falls below a span, no earlier turn can reach the span.
        self._latest = list(accumulate((turn.end for turn in self._turns), max))
        self._reach = reach

    def of(self, span: Span) -> str | None:
        """Return who speaks in the span: the most overlap, else the nearest within reach, else None."""
        shares: defaultdict[str, float] = defaultdict(float)
        distances: dict[str, float] = {}
        for turn in self._near(span):
            overlap = min(span.end, turn.end) - max(span.start, turn.start)
            if overlap > 0:
                shares[turn.speaker] += overlap
            distances[turn.speaker] = min(-overlap, distances.get(turn.speaker, self._reach))
        if shares:
            return max(shares, key=lambda speaker: shares[speaker])
        return min(distances, key=lambda speaker: distances[speaker]) if distances else None

    def _near(self, span: Span) -> Iterable[Turn]:
        last = bisect_left(self._starts, span.end + self._reach)
        for index in range(last - 1, -1, -1):
            if self._latest[index] < span.start - self._reach:
                return
            if self._turns[index].end >= span.start - self._reach:
                yield self._turns[index]
