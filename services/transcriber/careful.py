"""One window through faster-whisper's sequential decoder, which tries one temperature after the other."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from services.transcriber import doubt
from services.transcriber.hints import echoes
from services.transcriber.ready import Ready, hinted
from services.transcriber.spelling import spelled
from services.transcriber.words import segment
from shared.telemetry import in_engine
from shared.transcript import Segment


def careful(ready: Ready) -> tuple[Segment, ...]:
    """Return what is said in the window, seen at 30 s, at the first temperature whose text is beyond doubt; blocks.

    What says nothing but the hints is held against what is heard without them: the surer is the text.
    """
    heard, options = _heard(ready), ready.window.options
    if echoes(" ".join(part.text for part in heard), options) and not ready.window.stop.is_set():
        unprompted = _heard(ready.unhinted())
        heard = max(heard, unprompted, key=_sureness) if unprompted else unprompted
    return _text(ready, heard)


def _heard(ready: Ready) -> list[Any]:
    """Return faster-whisper's segments at the first temperature whose text is beyond doubt.

    faster-whisper does not look for loops that compress little: at the temperatures behind one that made such a text it
    is asked again. If it comes back with nothing else, the surest text is kept, which is faster-whisper's own rule.
    """
    tried: list[list[Any]] = []
    temperatures = ready.window.options.temperature
    while temperatures:
        tried.append(_decoded(ready, temperatures))
        if not _loops(ready, tried[-1]):
            return tried[-1]
        if ready.window.stop.is_set():
            break
        temperatures = _left(temperatures, tried[-1])
    return max(tried, key=_sureness)


def _decoded(ready: Ready, temperatures: Sequence[float]) -> list[Any]:
    """Return faster-whisper's segments at the first of the temperatures at which the model did not merely guess."""
    with in_engine():
        found, _ = ready.whisper.transcribe(ready.window.samples, **_asked(ready, temperatures))
        return list(found)


def _asked(ready: Ready, temperatures: Sequence[float]) -> dict[str, Any]:
    """Return what faster-whisper is asked: the job's options, and the same thresholds as batches have."""
    options = ready.window.options
    return {
        "language": ready.window.language,
        "task": options.task,
        "beam_size": options.beam_size,
        "hotwords": options.hotwords,
        "initial_prompt": hinted(ready.window),
        "temperature": list(temperatures),
        "condition_on_previous_text": False,
        "compression_ratio_threshold": doubt.COMPRESSION_RATIO,
        "log_prob_threshold": doubt.LOG_PROBABILITY,
        "no_speech_threshold": doubt.NO_SPEECH,
        "word_timestamps": True,
    }


def _loops(ready: Ready, parts: Sequence[Any]) -> bool:
    """Whether the text of all parts together loops: time tokens between them would hide that."""
    return doubt.loops([token for part in parts for token in part.tokens if token < ready.tokenizer.eot])


def _left(temperatures: tuple[float, ...], parts: Sequence[Any]) -> tuple[float, ...]:
    """Return the temperatures behind the one that made the parts."""
    return temperatures[min(_place(temperatures, part) for part in parts) + 1 :]


def _place(temperatures: tuple[float, ...], part: Any) -> int:
    """Return which temperature made a part.

    Of a text that is only the surest of doubtful ones faster-whisper names the last temperature, whichever made it.
    """
    if doubt.doubt((), part.avg_logprob, part.compression_ratio):
        return 0
    return temperatures.index(part.temperature)


def _sureness(parts: Iterable[Any]) -> float:
    return min(float(part.avg_logprob) for part in parts)


def _text(ready: Ready, parts: Iterable[Any]) -> tuple[Segment, ...]:
    return tuple(_segment(ready, part) for part in parts)


def _segment(ready: Ready, part: Any) -> Segment:
    words = spelled((asdict(word) for word in part.words or ()), ready.tokenizer)
    return segment(part.start, part.end, part.text, words, part.avg_logprob, part.no_speech_prob)
