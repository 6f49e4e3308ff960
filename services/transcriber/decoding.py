"""Windows through faster-whisper: many at once, or a doubtful one by itself.

faster-whisper's own batched pipeline takes the windows of one recording with one set of options. This one takes
windows of any jobs, each with its language, task and hints, and asks faster-whisper for every part of the work: mels,
prompts, alignment, words. CTranslate2 wants the start token at one place in all prompts of a batch.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens
from numpy.typing import NDArray

from services.transcriber import doubt
from services.transcriber.doubt import Doubt
from services.transcriber.speech import Window
from services.transcriber.words import Written, aligned, segment
from shared.telemetry import in_engine
from shared.transcript import Segment

FRAMES = 100
"""Frames of the mel spectrogram in a second."""

FULL_SECONDS = 30.0
"""What Whisper was trained to see at once."""


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


@dataclass(frozen=True)
class Hearing:
    """Decodes windows: a model sees the longest of a batch and `slack` seconds behind it, 30 s at the most."""

    slack: float

    def together(self, batch: Sequence[Ready]) -> list[tuple[Segment, ...] | Doubt]:
        """Return what is said in each window, or why its text is not to be believed.

        All are of one kind; one that begins above temperature zero is by itself.
        """
        first = batch[0]
        if first.mel is None:
            return [self.alone(first)]
        frames = self.frames([ready.window.seconds for ready in batch])
        mels = np.stack([pad_or_trim(ready.mel, frames) for ready in batch])
        with in_engine():
            encoded = first.whisper.encode(mels)
            results = first.whisper.model.generate(
                encoded,
                [list(ready.prompt) for ready in batch],
                beam_size=first.window.options.beam_size,
                max_length=first.whisper.max_length,
                suppress_tokens=get_suppressed_tokens(first.tokenizer, [-1]),
                return_scores=True,
                return_no_speech_prob=True,
                sampling_temperature=0.0,
            )
        written = [
            Written.of(result, each.tokenizer, each.window.seconds) for each, result in zip(batch, results, strict=True)
        ]
        texts = aligned(first.whisper, encoded, written)
        trimmed = frames < FULL_SECONDS * FRAMES
        return [_believed(*each, trimmed=trimmed) for each in zip(batch, written, texts, strict=True)]

    def alone(self, ready: Ready) -> tuple[Segment, ...]:
        """Return what is said in one window, seen at 30 s: one temperature after the other until it is beyond doubt."""
        options = ready.window.options
        with in_engine():
            found, _ = ready.whisper.transcribe(
                ready.window.samples,
                language=ready.window.language,
                task=options.task,
                beam_size=options.beam_size,
                hotwords=options.hotwords,
                initial_prompt=hinted(ready.window),
                temperature=list(options.temperature),
                condition_on_previous_text=False,
                compression_ratio_threshold=doubt.COMPRESSION_RATIO,
                log_prob_threshold=doubt.LOG_PROBABILITY,
                no_speech_threshold=doubt.NO_SPEECH,
                word_timestamps=True,
            )
            parts = list(found)
        return tuple(
            segment(
                part.start,
                part.end,
                part.text,
                [asdict(word) for word in part.words or ()],
                part.avg_logprob,
                part.no_speech_prob,
            )
            for part in parts
        )

    def frames(self, seconds: Iterable[float]) -> int:
        """Return how many frames the model is to see of windows that long: an even number, as it halves them."""
        return 2 * round(min(max(seconds) + self.slack, FULL_SECONDS) * FRAMES / 2)


def _believed(ready: Ready, written: Written, text: Segment, *, trimmed: bool) -> tuple[Segment, ...] | Doubt:
    """Return the text, nothing if nothing was said, or the doubt, if there is another way to decode the window."""
    if doubt.silent(written.log_probability, written.no_speech):
        return ()
    doubtful = doubt.doubt(written.tokens, written.log_probability, written.compression_ratio)
    another = trimmed or len(ready.window.options.temperature) > 1
    return doubtful if doubtful is not None and another else (text,)
