"""One passage of speech through faster-whisper: many windows at once, and a doubtful one again by itself.

The batched decoder takes only the first temperature, and with a beam it ignores even that. So it decodes at
temperature 0, and a window whose text looks wrong goes to the sequential decoder, which tries one temperature after
the other. The thresholds of doubt are those of the Whisper paper (Radford et al., 2022, section 4.5).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from faster_whisper import BatchedInferencePipeline

from services.transcriber.speech import Samples
from shared.options import Options
from shared.transcript import SAMPLE_RATE, Segment, Span, Word

COMPRESSION_RATIO = 2.4
"""Text that gzip shrinks more than this repeats itself."""

LOG_PROBABILITY = -1.0
"""An average below this means that the model guessed."""

NO_SPEECH = 0.6
"""Above this, and with a guess for a text, nothing was said."""


@dataclass(frozen=True)
class Passage:
    """Sound, the faster-whisper model that hears it, and how."""

    whisper: Any
    samples: Samples
    language: str
    options: Options

    def decode(self, windows: Sequence[Span], batch: int) -> Iterator[tuple[Segment, ...]]:
        """Yield what is said in each window, in seconds from the first sample; `batch` windows are decoded at once."""
        if self.options.temperature[0] > 0:
            yield from map(self._alone, windows)
            return
        for start in range(0, len(windows), batch):
            yield from self._together(windows[start : start + batch])

    def _together(self, windows: Sequence[Span]) -> Iterator[tuple[Segment, ...]]:
        """Decode the windows in one batch, and those again whose text is in doubt."""
        # Without its own timestamps, which it gets wrong in batches, the model writes each window as one segment;
        # `seek` is the window's start, and the words' alignment gives the times.
        found, _ = BatchedInferencePipeline(self.whisper).transcribe(
            self.samples,
            clip_timestamps=[{"start": window.start, "end": window.end} for window in windows],
            batch_size=len(windows),
            without_timestamps=True,
            temperature=0.0,
            **self._asked(),
        )
        for window, (_, parts) in zip(windows, groupby(found, attrgetter("seek")), strict=True):
            yield self._believed(window, list(parts))

    def _believed(self, window: Span, parts: list[Any]) -> tuple[Segment, ...]:
        guessed = parts[0].avg_logprob < LOG_PROBABILITY
        if guessed and parts[0].no_speech_prob > NO_SPEECH:
            return ()
        repeats = any(part.compression_ratio > COMPRESSION_RATIO for part in parts)
        if (guessed or repeats) and len(self.options.temperature) > 1:
            return self._alone(window)
        return tuple(_segment(part, 0.0) for part in parts)

    def _alone(self, window: Span) -> tuple[Segment, ...]:
        """Decode one window by itself, at each temperature in turn until the text is beyond doubt."""
        start, end = (int(at * SAMPLE_RATE) for at in (window.start, window.end))
        found, _ = self.whisper.transcribe(
            self.samples[start:end],
            condition_on_previous_text=False,
            compression_ratio_threshold=COMPRESSION_RATIO,
            log_prob_threshold=LOG_PROBABILITY,
            no_speech_threshold=NO_SPEECH,
            temperature=list(self.options.temperature),
            **self._asked(),
        )
        return tuple(_segment(part, window.start) for part in found)

    def _asked(self) -> dict[str, Any]:
        """Return what both decoders are asked alike; words always, because segments get their times from them."""
        prompt = self.options.initial_prompt
        return {
            "language": self.language,
            "task": self.options.task,
            "beam_size": self.options.beam_size,
            "hotwords": self.options.hotwords,
            # A space in front makes the same tokens of it as of speech; only one of the decoders adds it by itself.
            "initial_prompt": f" {prompt.strip()}" if prompt else None,
            "word_timestamps": True,
            "vad_filter": False,
        }


def _segment(found: Any, origin: float) -> Segment:
    """Return faster-whisper's segment in the mesh's words, `origin` seconds later; NumPy's numbers become Python's."""
    words = tuple(
        Word(
            start=float(word.start) + origin,
            end=float(word.end) + origin,
            text=word.word,
            probability=float(word.probability),
        )
        for word in found.words or ()
    )
    return Segment(
        start=float(found.start) + origin,
        end=float(found.end) + origin,
        text=found.text.strip(),
        words=words,
        average_log_probability=float(found.avg_logprob),
        no_speech_probability=float(found.no_speech_prob),
    )
