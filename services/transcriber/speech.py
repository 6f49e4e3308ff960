"""What the stage asks of whatever recognises speech, in words that name no library."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.options import Options
from shared.transcript import Segment, Span

Samples = NDArray[np.float32]
"""Mono sound at 16 kHz, -1.0 to 1.0, shape (samples,)."""


@dataclass(frozen=True)
class Language:
    """A language code and how sure it is (0 to 1)."""

    code: str
    probability: float


class Engine(Protocol):
    """What can hear a language and write down speech; every method but `serving` blocks and may load a model."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of the libraries that decode, by name."""

    def serving(self, asked: str | None) -> str:
        """Return the name of the model for a job that asks for `asked`; raise GiveUp if it is not served here."""

    def fit(self, model: str, options: Options) -> tuple[Options, tuple[str, ...]]:
        """Return the options with hints no longer than the model can take, and a warning if anything was cut."""

    def hear(self, model: str, speech: Samples) -> Language:
        """Return the language of the speech."""

    def decode(
        self, model: str, samples: Samples, windows: Sequence[Span], language: str, options: Options
    ) -> Iterator[tuple[Segment, ...]]:
        """Yield what is said in each window, in order; windows and times are seconds from the first sample.

        Lazy: work is done a few windows at a time, so whoever stops asking stops it. Segments always carry words
        if the model could align any. Raises GiveUp if the model does not know the language.
        """
