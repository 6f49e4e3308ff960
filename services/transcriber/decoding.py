"""Windows through faster-whisper: many at once, or a doubtful one by itself.

faster-whisper's own batched pipeline takes the windows of one recording with one set of options. This one takes
windows of any jobs, each with its language, task and hints, and asks faster-whisper for every part of the work: mels,
prompts, alignment, words. CTranslate2 wants the start token at one place in all prompts of a batch.
"""

from collections.abc import Sequence
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.transcribe import get_suppressed_tokens

from services.transcriber import doubt
from services.transcriber.careful import careful
from services.transcriber.doubt import Doubt
from services.transcriber.hints import echoes
from services.transcriber.ready import Ready
from services.transcriber.words import Written, aligned
from shared.telemetry import in_engine
from shared.transcript import Segment


class WhisperDecoder:
    """Decodes windows with faster-whisper, each seen as far as its mel goes."""

    def together(self, batch: Sequence[Ready]) -> list[tuple[Segment, ...] | Doubt]:
        """Return what is said in each window, or why its text is not to be believed.

        All are of one kind; one that begins above temperature zero is by itself.
        """
        if batch[0].mel is None:
            return [self.alone(batch[0])]
        encoded, written = _written(batch)
        texts = aligned(batch[0].whisper, encoded, written)
        return [_believed(*each) for each in zip(batch, written, texts, strict=True)]

    def alone(self, ready: Ready) -> tuple[Segment, ...]:
        """Return what is said in one window, seen at 30 s: one temperature after the other until it is beyond doubt."""
        return careful(ready)


def _written(batch: Sequence[Ready]) -> tuple[Any, list[Written]]:
    """Return the encoded sound of the batch, and what the model writes of each window at temperature zero."""
    whisper = batch[0].whisper
    with in_engine():
        encoded = _encoded(batch)
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


def _encoded(batch: Sequence[Ready]) -> Any:
    """Return the windows' encoded sound; on a CPU one after the other, whose caches hold one and not a batch."""
    whisper, mels = batch[0].whisper, [ready.mel for ready in batch if ready.mel is not None]
    if whisper.model.device == "cuda" or len(mels) == 1:
        return whisper.encode(np.stack(mels))
    return ctranslate2.StorageView.from_array(np.concatenate([np.asarray(whisper.encode(mel)) for mel in mels]))


def _believed(ready: Ready, written: Written, text: Segment) -> tuple[Segment, ...] | Doubt:
    """Return the text, nothing if nothing was said, or the doubt, if there is another way to decode the window."""
    doubtful = doubt.doubt(written.tokens, written.log_probability, written.compression_ratio, trimmed=ready.trimmed)
    if doubtful and ready.trimmed:
        return doubtful
    if doubt.silent(written.log_probability, written.no_speech):
        return ()
    if echoes(written.text, ready.window.options):
        return Doubt("hints")
    return doubtful if doubtful and len(ready.window.options.temperature) > 1 else (text,)
