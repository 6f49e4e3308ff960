"""Windows through faster-whisper: many at once, or a doubtful one by itself.

faster-whisper's own batched pipeline takes the windows of one recording with one set of options. This one takes
windows of any jobs, each with its language, task and hints, and asks faster-whisper for every part of the work: mels,
prompts, alignment, words. CTranslate2 wants the start token at one place in all prompts of a batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_whisper.audio import pad_or_trim
from faster_whisper.transcribe import get_suppressed_tokens
from numpy.typing import NDArray

from services.transcriber import doubt
from services.transcriber.careful import careful
from services.transcriber.doubt import Doubt
from services.transcriber.ready import Ready
from services.transcriber.words import Written, aligned
from shared.telemetry import in_engine
from shared.transcript import Segment

FRAMES = 100
"""Frames of the mel spectrogram in a second."""

FULL_SECONDS = 30.0
"""What Whisper was trained to see at once."""


@dataclass(frozen=True)
class Hearing:
    """Decodes windows: a model sees the longest of a batch and `slack` seconds behind it, 30 s at the most."""

    slack: float

    def together(self, batch: Sequence[Ready]) -> list[tuple[Segment, ...] | Doubt]:
        """Return what is said in each window, or why its text is not to be believed.

        All are of one kind; one that begins above temperature zero is by itself.
        """
        if batch[0].mel is None:
            return [self.alone(batch[0])]
        frames = self.frames([ready.window.seconds for ready in batch])
        encoded, written = _written(batch, np.stack([pad_or_trim(ready.mel, frames) for ready in batch]))
        texts = aligned(batch[0].whisper, encoded, written)
        trimmed = frames < FULL_SECONDS * FRAMES
        return [_believed(*each, trimmed=trimmed) for each in zip(batch, written, texts, strict=True)]

    def alone(self, ready: Ready) -> tuple[Segment, ...]:
        """Return what is said in one window, seen at 30 s: one temperature after the other until it is beyond doubt."""
        return careful(ready)

    def frames(self, seconds: Iterable[float]) -> int:
        """Return how many frames the model is to see of windows that long: an even number, as it halves them."""
        return 2 * round(min(max(seconds) + self.slack, FULL_SECONDS) * FRAMES / 2)


def _written(batch: Sequence[Ready], mels: NDArray[np.float32]) -> tuple[Any, list[Written]]:
    """Return the encoded sound of the batch, and what the model writes of each window at temperature zero."""
    whisper = batch[0].whisper
    with in_engine():
        encoded = whisper.encode(mels)
        results = whisper.model.generate(
            encoded,
            [list(ready.prompt) for ready in batch],
            beam_size=batch[0].window.options.beam_size,
            max_length=whisper.max_length,
            suppress_tokens=get_suppressed_tokens(batch[0].tokenizer, [-1]),
            return_scores=True,
            return_no_speech_prob=True,
            sampling_temperature=0.0,
        )
    each = zip(results, batch, strict=True)
    return encoded, [Written.of(result, ready.tokenizer, ready.window.seconds) for result, ready in each]


def _believed(ready: Ready, written: Written, text: Segment, *, trimmed: bool) -> tuple[Segment, ...] | Doubt:
    """Return the text, nothing if nothing was said, or the doubt, if there is another way to decode the window."""
    if doubt.silent(written.log_probability, written.no_speech):
        return ()
    doubtful = doubt.doubt(written.tokens, written.log_probability, written.compression_ratio)
    another = trimmed or len(ready.window.options.temperature) > 1
    return doubtful if doubtful is not None and another else (text,)
