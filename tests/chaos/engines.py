"""Stand-ins for the two engines: they take a little time and say what only this sound makes them say."""

import ctypes
import hashlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.diarizer.heard import Heard
from services.transcriber.batching import Batcher
from services.transcriber.speech import Language, Samples, Window
from shared.options import Options
from shared.transcript import SAMPLE_RATE, Segment, Turn, Word

SLOW = "slow"
SLOW_SECONDS = 1.5
SLOW_VOICES = 49
"""The most speakers of a job on which the stand-in for the diarizer is slow."""

VOICES_SECONDS = 3.0
STUCK_SECONDS = 3.0

POISONS: Mapping[str, Callable[[], object]] = {
    "exception": lambda: (_ for _ in ()).throw(RuntimeError("poisoned")),
    # What the kernel does to a process that takes too much memory.
    "out of memory": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: ctypes.string_at(0),
    # Native code that holds the interpreter: nothing written in Python can end it.
    "stuck": lambda: time.sleep(STUCK_SECONDS),
    SLOW: lambda: time.sleep(SLOW_SECONDS),
    "hang": lambda: ctypes.PyDLL(None).sleep(3_600),
}
"""What a recording can do to the engine, by the hotwords of the job that brings it."""


@dataclass(frozen=True, eq=False)
class Sound:
    """A window as the stand-in takes it: there is nothing to make ready."""

    window: Window

    @property
    def kind(self) -> str:
        """All windows are alike."""
        return "sound"

    @property
    def per_whole(self) -> int:
        """All are whole."""
        return 1

    def whole(self) -> None:
        """Nothing is trimmed."""


@dataclass(frozen=True)
class StandInDecoder:
    """Says one segment of one word for each window, a batch after `seconds`, or does what the hotwords say."""

    seconds: float

    def together(self, batch: Sequence[Sound]) -> list[tuple[Segment, ...]]:
        """Return what is said in each window; a batch takes about as long as a window, as in earnest."""
        for hotwords in {ready.window.options.hotwords for ready in batch}:
            POISONS.get(hotwords or "", lambda: None)()
        time.sleep(self.seconds)
        return [self._said(ready.window) for ready in batch]

    def alone(self, ready: Sound) -> tuple[Segment, ...]:
        """Return what is said in a window."""
        return self.together([ready])[0]

    def _said(self, window: Window) -> tuple[Segment, ...]:
        text = hashlib.sha256(window.samples.tobytes()).hexdigest()[:16]
        word = Word(start=0.0, end=window.seconds, text=f" {text}", probability=1.0)
        return (Segment(start=0.0, end=window.seconds, text=text, words=(word,)),)


class StandInWhisper:
    """Hears sixteen hexadecimal digits in each window: the first of the sound's SHA-256. Two windows at a time."""

    versions: Mapping[str, str] = {"stand-in": "1"}

    def __init__(self, seconds: float, idle: Callable[[], None]) -> None:
        self._batcher = Batcher[Sound](StandInDecoder(seconds), streams=1, width=2, idle=idle)

    @property
    def free(self) -> int:
        """How many windows could be begun at once."""
        return self._batcher.free

    def serving(self, asked: str | None) -> str:
        """Return the one model there is."""
        del asked
        return "stand-in"

    async def fit_hints(self, model: str, options: Options) -> tuple[Options, tuple[str, ...]]:
        """Return the options as they are."""
        del model
        return options, ()

    async def detect_language(self, model: str, speech: Samples) -> Language:
        """Return Hebrew."""
        del model, speech
        return Language("he", 1.0)

    async def transcribe(self, window: Window) -> tuple[Segment, ...]:
        """Return what is said in the window."""
        return await self._batcher.decode(Sound(window))


class StandInVoices:
    """Finds two speakers who take turns every two seconds."""

    model = "stand-in"
    versions: dict[str, str] = {"stand-in": "1"}  # noqa: RUF012 - the stage's protocol has it so

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    overlap = 0.0

    def listen(self, samples: Samples, on_progress: Callable[[float], None]) -> Heard:
        """Hear a window of nothing each second, after a look at whether anybody still wants it."""
        time.sleep(self._seconds)
        on_progress(0.5)
        nothing = np.zeros((int(len(samples) / SAMPLE_RATE), 1, 1), np.float32)
        return Heard(nothing, nothing)

    def tell_apart(
        self, heard: Heard, *, num_speakers: int | None, min_speakers: int | None, max_speakers: int | None
    ) -> list[Turn]:
        """Return the turns; they take their time if so many voices are asked for."""
        del num_speakers, min_speakers
        time.sleep(VOICES_SECONDS if max_speakers == SLOW_VOICES else 0.0)
        ends = range(0, len(heard.active) + 1, 2)
        return [Turn(start=at, end=at + 2.0, speaker=f"voice {at // 2 % 2}") for at in ends]
