"""Who says a word: the voice with the greatest overlap, or the nearest turn within reach."""

from collections import defaultdict
from collections.abc import Iterable

from shared.transcript import Span, Turn

SLOT = 10.0
"""Seconds of a slot. Turns are found by the slots they lie in: in a list by their start, one turn that lasts as long as
the recording would make each word look at all that began before it."""


class Voices:
    """The turns of a recording, ready to be asked who speaks in a span; `reach` is in seconds."""

    def __init__(self, turns: Iterable[Turn], reach: float) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start)
        self._slots = defaultdict[int, list[int]](list)
        for index, turn in enumerate(self._turns):
            for slot in _slots(turn.start, turn.end):
                self._slots[slot].append(index)
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
        """Yield the turns within reach, the last to begin first."""
        start, end = span.start - self._reach, span.end + self._reach
        for index in sorted(
            {index for slot in _slots(start, end) for index in self._slots.get(slot, ())}, reverse=True
        ):
            turn = self._turns[index]
            if turn.start < end and turn.end >= start:
                yield turn


def _slots(start: float, end: float) -> range:
    """Return the numbers of the slots that the time from `start` to `end` lies in."""
    return range(int(start // SLOT), int(end // SLOT) + 1)
