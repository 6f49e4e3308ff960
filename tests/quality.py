"""How good a transcript is, against the sample's references: cpWER with meeteval, DER with pyannote.metrics."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import meeteval
from meeteval.wer import siso_word_error_rate
from pyannote.core import Annotation, Segment
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate

from shared.transcript import Transcript, Turn

NOBODY = "nobody"


def normalised(text: str) -> str:
    """Return the text in lower case, with letters, digits and apostrophes only."""
    return " ".join(re.findall(r"[\w']+", text.lower()))


def cp_wer(transcript: Transcript, reference: Path) -> float:
    """Return the speaker-attributed word error rate (cpWER) against an STM file."""
    theirs: dict[str, list[str]] = {}
    for line in meeteval.io.load(str(reference)):
        theirs.setdefault(line.speaker_id, []).append(normalised(line.transcript))
    ours: dict[str, list[str]] = {}
    for segment in transcript.segments:
        ours.setdefault(segment.speaker or NOBODY, []).append(normalised(segment.text))
    joined = [{name: " ".join(texts) for name, texts in voices.items()} for voices in (theirs, ours)]
    return float(meeteval.wer.cp_word_error_rate(*joined).error_rate)


def wer(said: Sequence[str], heard: Sequence[str]) -> float:
    """Return the word error rate over all texts together, whoever speaks."""
    rates = [siso_word_error_rate(*map(normalised, each)) for each in zip(said, heard, strict=True)]
    return float(sum(rate.errors for rate in rates) / sum(rate.length for rate in rates))


def der(turns: Iterable[Turn], reference: Path) -> float:
    """Return the diarization error rate against an RTTM file, overlaps counted, no collar."""
    (truth,) = load_rttm(reference).values()  # type: ignore[no-untyped-call]  # it has no annotations
    ours = Annotation()
    for index, turn in enumerate(turns):
        ours[Segment(turn.start, turn.end), index] = turn.speaker
    return float(DiarizationErrorRate()(truth, ours))
