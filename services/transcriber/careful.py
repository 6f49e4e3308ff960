"""One window through faster-whisper's sequential decoder, which tries one temperature after the other."""

from dataclasses import asdict
from typing import Any

from services.transcriber import doubt
from services.transcriber.ready import Ready, hinted
from services.transcriber.words import segment
from shared.telemetry import in_engine
from shared.transcript import Segment


def careful(ready: Ready) -> tuple[Segment, ...]:
    """Return what is said in the window, seen at 30 s, at the first temperature whose text is beyond doubt; blocks."""
    with in_engine():
        found, _ = ready.whisper.transcribe(ready.window.samples, **_asked(ready))
        parts = list(found)
    return tuple(map(_segment, parts))


def _asked(ready: Ready) -> dict[str, Any]:
    """Return what faster-whisper is asked: the job's options, and the same thresholds as batches have."""
    options = ready.window.options
    return {
        "language": ready.window.language,
        "task": options.task,
        "beam_size": options.beam_size,
        "hotwords": options.hotwords,
        "initial_prompt": hinted(ready.window),
        "temperature": list(options.temperature),
        "condition_on_previous_text": False,
        "compression_ratio_threshold": doubt.COMPRESSION_RATIO,
        "log_prob_threshold": doubt.LOG_PROBABILITY,
        "no_speech_threshold": doubt.NO_SPEECH,
        "word_timestamps": True,
    }


def _segment(part: Any) -> Segment:
    words = [asdict(word) for word in part.words or ()]
    return segment(part.start, part.end, part.text, words, part.avg_logprob, part.no_speech_prob)
