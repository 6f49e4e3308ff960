"""When each word was said: CTranslate2 aligns a batch at once, faster-whisper makes each window's words of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Any

import numpy as np
from ctranslate2 import StorageView
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_compression_ratio

from services.transcriber.spelling import spelled
from shared.telemetry import in_engine
from shared.transcript import Segment, Word

# The defaults of faster-whisper's `transcribe`: signs that belong to the word behind them, and to the one before them.
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - other scripts' signs are what is meant


@dataclass(frozen=True)
class Written:
    """What the model wrote of one window: its text tokens, how sure it was, and the window's seconds."""

    tokenizer: Tokenizer
    tokens: list[int]
    log_probability: float
    no_speech: float
    seconds: float

    @classmethod
    def of(cls, result: Any, tokenizer: Tokenizer, seconds: float) -> "Written":
        """Return CTranslate2's result, its score (a mean over the tokens) made to count the end token, too."""
        tokens = result.sequences_ids[0]
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
        text = [token for token in tokens if token < tokenizer.eot]
        return cls(tokenizer, text, log_probability, result.no_speech_prob, seconds)

    @property
    def text(self) -> str:
        """The tokens as text."""
        return str(self.tokenizer.decode(self.tokens))

    @property
    def compression_ratio(self) -> float:
        """How much shorter gzip makes the text."""
        return float(get_compression_ratio(self.text))


@dataclass(frozen=True)
class _Aligned:
    """Stands in for the model where faster-whisper makes words of one window's alignment, which is known already."""

    frames_per_second: int
    alignment: list[dict[str, Any]]

    def find_alignment(self, *_: Any) -> list[list[dict[str, Any]]]:
        """Return the window's alignment, as of a batch of one."""
        return [self.alignment]


def aligned(whisper: Any, encoded: Any, batch: Sequence[Written]) -> Iterator[Segment]:
    """Yield each window's text with its words, in seconds from the window's start; `encoded` is the batch's sound.

    One window's words do not depend on the others: faster-whisper would carry the end of the last word of one
    recording's window into the next.
    """
    for written, alignment in zip(batch, _alignments(whisper, encoded, batch), strict=True):
        whole: dict[str, Any] = {"seek": 0, "start": 0.0, "end": written.seconds, "tokens": written.tokens}
        stand_in = _Aligned(whisper.frames_per_second, alignment)
        WhisperModel.add_word_timestamps(stand_in, [[whole]], written.tokenizer, None, None, PREPENDED, APPENDED, 0.0)
        words = spelled(whole["words"], written.tokenizer)
        yield segment(whole["start"], whole["end"], written.text, words, written.log_probability, written.no_speech)


def _alignments(whisper: Any, encoded: Any, batch: Sequence[Written]) -> list[list[dict[str, Any]]]:
    """Return the words of each window with their times; on a CPU one window after the other, which is the cheaper."""
    frames = [ceil(written.seconds) * whisper.frames_per_second for written in batch]
    if whisper.model.device == "cuda":
        return _alignments_at_once(whisper, encoded, batch, frames)
    sounds = np.asarray(encoded)
    with in_engine():
        return [
            whisper.find_alignment(written.tokenizer, [written.tokens], StorageView.from_array(sound[None]), [long])[0]
            for written, sound, long in zip(batch, sounds, frames, strict=True)
        ]


def _alignments_at_once(
    whisper: Any, encoded: Any, batch: Sequence[Written], frames: list[int]
) -> list[list[dict[str, Any]]]:
    """Return the same of a batch."""
    found: list[list[dict[str, Any]]] = [[] for _ in batch]
    for members in _calls(batch, frames):
        # The sound stays one tensor, on the GPU if that is where it is: of the others a call hears and reads nothing.
        texts = [written.tokens if at in members else [] for at, written in enumerate(batch)]
        heard = [long if at in members else 0 for at, long in enumerate(frames)]
        with in_engine():
            alignments = whisper.find_alignment(batch[members[0]].tokenizer, texts, encoded, heard)
        for at in members:
            found[at] = alignments[at]
    return found


def _calls(batch: Sequence[Written], frames: list[int]) -> Iterator[list[int]]:
    """Yield which windows go into each call: those of one start sequence, which each language and task has its own of.

    Where all sounds of a call are equally long, CTranslate2 (`WhisperReplica::align`) normalises each head's attention
    over the tokens with the padding of the shorter texts still in, which moves their words. Beside a sound of another
    length it takes the padding away first; so the shortest text then has a call of its own, in which the rest have no
    sound, and the rest another.
    """
    starts = [written.tokenizer.sot_sequence for written in batch]
    for _, group in groupby(sorted(range(len(batch)), key=starts.__getitem__), key=starts.__getitem__):
        members = sorted(group, key=lambda at: len(batch[at].tokens))
        padded = len(batch[members[0]].tokens) < len(batch[members[-1]].tokens)
        if padded and len(members) == len(batch) and len(set(frames)) == 1:
            yield members[:1]
            yield members[1:]
        else:
            yield members


def segment(
    start: float, end: float, text: str, words: Sequence[Any], log_probability: float, no_speech: float
) -> Segment:
    """Return a segment in the mesh's words; NumPy's numbers become Python's, and a space at the end is no word."""
    return Segment(
        start=float(start),
        end=float(end),
        text=text.strip(),
        words=tuple(
            Word(
                start=float(word["start"]),
                end=float(word["end"]),
                text=word["word"],
                probability=float(word["probability"]),
            )
            for word in words
            if word["word"].strip()
        ),
        average_log_probability=float(log_probability),
        no_speech_probability=float(no_speech),
    )
