"""A window made ready for a model: its mel, its prompt, and what it may share a call with."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from services.transcriber.speech import Samples, Window
from shared.transcript import SAMPLE_RATE

FRAMES = 100
"""Frames of the mel spectrogram in a second."""

FULL_SECONDS = 30
"""What Whisper was trained to see at once."""

STEP_SECONDS = 5
"""What a model sees is a multiple of this, so that short windows have others of their kind to share a call with."""


@dataclass(frozen=True, eq=False)
class Ready:
    """A window as a model takes it: its log-mel spectrogram, shape (mels, frames), and the tokens in front of its text.

    A window that begins at a temperature above zero goes to the sequential decoder, which makes its own.
    """

    window: Window
    whisper: Any
    tokenizer: Tokenizer
    prompt: tuple[int, ...] = ()
    mel: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, window: Window, whisper: Any, slack: float) -> "Ready":
        """Return the window, ready for a model that sees `slack` seconds or more of silence behind it; blocks."""
        task = window.options.task
        tokenizer = Tokenizer(whisper.hf_tokenizer, whisper.model.is_multilingual, task, window.language)
        if window.options.temperature[0] > 0:
            return cls(window, whisper, tokenizer)
        hint = hinted(window)
        hints = tokenizer.encode(hint) if hint else []
        prompt = whisper.get_prompt(tokenizer, hints, without_timestamps=True, hotwords=window.options.hotwords)
        mel = _mel(whisper, window.samples, seen(max(window.seconds, window.longest), slack))
        return cls(window, whisper, tokenizer, tuple(prompt), mel)

    @property
    def kind(self) -> Hashable:
        """What windows must have in common to share a call of the model."""
        if self.mel is None:
            return self
        return self.whisper, self.window.options.beam_size, len(self.prompt), self.mel.shape[-1]

    @property
    def per_whole(self) -> int:
        """How many windows of this length take a CPU no longer than one whole window; a GPU was not measured."""
        if self.mel is None or self.whisper.model.device == "cuda":
            return 1
        return int(FULL_SECONDS * FRAMES // self.mel.shape[-1])

    @property
    def trimmed(self) -> bool:
        """Whether a model sees less of it than it could."""
        return self.mel is not None and self.mel.shape[-1] < FULL_SECONDS * FRAMES

    def whole(self) -> "Ready | None":
        """Return the window with all the silence behind it that a model can see, or None if it has that already."""
        if self.mel is None or not self.trimmed:
            return None
        missing = FULL_SECONDS * FRAMES - self.mel.shape[-1]
        # A trimmed mel ends in silence, and nothing in it is less than that.
        return replace(self, mel=np.pad(self.mel, ((0, 0), (0, missing)), constant_values=self.mel.min()))

    def unhinted(self) -> "Ready":
        """Return the window for the sequential decoder, without hotwords and initial prompt."""
        options = self.window.options.model_copy(update={"hotwords": None, "initial_prompt": None})
        return replace(self, window=replace(self.window, options=options), prompt=(), mel=None)


def seen(seconds: float, slack: float) -> int:
    """Return how many seconds a model sees of a window that long: what others are asked for at once changes nothing."""
    return min(STEP_SECONDS * ceil((seconds + slack) / STEP_SECONDS), FULL_SECONDS)


def _mel(whisper: Any, samples: Samples, seconds: int) -> NDArray[np.float32]:
    """Return so many seconds' log-mel spectrogram, silence behind the sound: what Whisper was trained on.

    faster-whisper itself pads the spectrogram with zeros, which sound like noise (decision 0015).
    """
    sound = samples[: seconds * SAMPLE_RATE]
    mel: NDArray[np.float32] = whisper.feature_extractor(sound, padding=seconds * SAMPLE_RATE - len(sound))
    return mel


def hinted(window: Window) -> str | None:
    """Return the window's initial prompt; a space in front makes the same tokens of it as of speech."""
    prompt = window.options.initial_prompt
    return f" {prompt.strip()}" if prompt else None
