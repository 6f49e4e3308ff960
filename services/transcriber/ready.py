"""A window made ready for a model: its mel, its prompt, and what it may share a call with."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from services.transcriber.speech import Window


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
    def of(cls, window: Window, whisper: Any) -> "Ready":
        """Return the window, ready for the model; blocks."""
        task = window.options.task
        tokenizer = Tokenizer(whisper.hf_tokenizer, whisper.model.is_multilingual, task, window.language)
        if window.options.temperature[0] > 0:
            return cls(window, whisper, tokenizer)
        hint = hinted(window)
        hints = tokenizer.encode(hint) if hint else []
        prompt = whisper.get_prompt(tokenizer, hints, without_timestamps=True, hotwords=window.options.hotwords)
        # The last frame is that of the extractor's own padding.
        return cls(window, whisper, tokenizer, tuple(prompt), whisper.feature_extractor(window.samples)[..., :-1])

    @property
    def kind(self) -> Hashable:
        """What windows must have in common to share a call of the model."""
        return self if self.mel is None else (self.whisper, self.window.options.beam_size, len(self.prompt))


def hinted(window: Window) -> str | None:
    """Return the window's initial prompt; a space in front makes the same tokens of it as of speech."""
    prompt = window.options.initial_prompt
    return f" {prompt.strip()}" if prompt else None
