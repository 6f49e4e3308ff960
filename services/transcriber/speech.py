"""What the stage asks of whatever recognises speech, in words that name no library."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.options import Options
from shared.topology import Lane
from shared.transcript import SAMPLE_RATE, Segment

Samples = NDArray[np.float32]
"""Mono sound at 16 kHz, -1.0 to 1.0, shape (samples,)."""


@dataclass(frozen=True)
class Language:
    """A language code and how sure it is (0 to 1)."""

    code: str
    probability: float


@dataclass(frozen=True, eq=False)
class Window:
    """Up to 30 s of speech and all that its text depends on.

    `lane`, `job` and `chunk` say which windows go first. Once `stop` is set, from any thread, it need not be heard.
    `begun` is called when a model begins on it, each time; `redone` when its text is not believed and it is decoded
    again, with the reason. `longest` is how long the longest window of its chunk is, in seconds: all of a chunk are
    seen alike, so that they can share calls of the model.
    """

    samples: Samples
    language: str
    model: str
    options: Options
    lane: Lane = Lane.NORMAL
    job: str = ""
    chunk: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    begun: Callable[[], None] = lambda: None
    redone: Callable[[str], None] = lambda _: None
    longest: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE


class Engine(Protocol):
    """What can detect a language and transcribe speech; whatever is awaited may load a model first."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of the libraries that decode, by name."""

    def serving(self, asked: str | None) -> str:
        """Return the name of the model for a job that asks for `asked`; raise GiveUp if it is not served here."""

    async def fit_hints(self, model: str, options: Options) -> tuple[Options, tuple[str, ...]]:
        """Return the options with hints no longer than the model can take, and a warning if anything was cut."""

    async def detect_language(self, model: str, speech: Samples) -> Language:
        """Return the language of the speech."""

    async def transcribe(self, window: Window) -> tuple[Segment, ...]:
        """Return what is said in the window, in seconds from its first sample; windows asked for at once share work.

        Segments always carry words if the model could align any. Raises GiveUp if the model does not know the
        language; Stopped, within one batch, once the window's `stop` is set while it waits.
        """
