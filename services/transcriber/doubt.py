"""Whether a window's text is to be believed: the thresholds of the Whisper paper, and a look for loops.

Thresholds: Radford et al., 2022, section 4.5. Loops are the model's usual way to fail, and the more so the less sound
it sees behind the last word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

COMPRESSION_RATIO = 2.4
"""Text that gzip shrinks more than this repeats itself."""

LOG_PROBABILITY = -1.0
"""An average below this means that the model guessed."""

TRIMMED_LOG_PROBABILITY = -0.7
"""The same for a window of which the model saw less than it can, so that there is more to see (decision 0015)."""

NO_SPEECH = 0.6
"""Above this, and with a guess for a text, nothing was said."""

LOOP_TIMES = 3
LOOP_TOKENS = 12
"""The same few tokens so many times in a row, and so many tokens in all, are a loop; people do say 'no, no, no'."""


@dataclass(frozen=True)
class Doubt:
    """Why a window's text is not believed, in the words of the metrics."""

    reason: str


def silent(log_probability: float, no_speech: float) -> bool:
    """Whether nothing was said: the model guessed, and thinks itself that there is no speech."""
    return log_probability < LOG_PROBABILITY and no_speech > NO_SPEECH


def doubt(
    tokens: Sequence[int], log_probability: float, compression_ratio: float, *, trimmed: bool = False
) -> Doubt | None:
    """Return why the text is doubtful, or None if it is not."""
    if compression_ratio > COMPRESSION_RATIO:
        return Doubt("compression ratio")
    if loops(tokens):
        return Doubt("loop")
    least = TRIMMED_LOG_PROBABILITY if trimmed else LOG_PROBABILITY
    return Doubt("log-probability") if log_probability < least else None


def loops(tokens: Sequence[int]) -> bool:
    """Whether a run of tokens stands LOOP_TIMES or more in a row, LOOP_TOKENS or more of them together."""
    for size in range(1, len(tokens) // LOOP_TIMES + 1):
        again = (earlier == later for earlier, later in zip(tokens, tokens[size:], strict=False))
        longest = max((len(list(run)) for same, run in groupby(again) if same), default=0)
        if longest + size >= max(LOOP_TIMES * size, LOOP_TOKENS):
            return True
    return False
