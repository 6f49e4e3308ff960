"""What a speed costs in words: error rates that stand beside the figures."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench.client import Bench
from tests.bench.speech import Recording, pieces, sample
from tests.quality import wer


async def word_errors(bench: Bench, folder: Path) -> dict[str, str]:
    """Return the mesh's word error rate on the sample, and on the same speech cut into pieces."""
    whole, cut = [sample()], pieces(folder)
    await bench.lay([*whole, *cut])
    return {
        "WER, the sample": f"{await _rate(bench, whole):.3f}",
        "WER, the sample in pieces": f"{await _rate(bench, cut):.3f}",
    }


def compared(recordings: Sequence[Recording], ours: Sequence[str], peers: Sequence[str]) -> dict[str, str]:
    """Return both sides' word error rates on the recordings that were timed, and how far their texts are apart."""
    said = [recording.words for recording in recordings]
    return {
        "WER, as timed": f"{wer(said, ours):.3f}",
        "WER, the peer's": f"{wer(said, peers):.3f}",
        "WER, ours against the peer's": f"{wer(peers, ours):.3f}",
    }


async def _rate(bench: Bench, recordings: list[Recording]) -> float:
    drained = await bench.drain(recordings, priority="urgent")
    said = " ".join(recording.words for recording in recordings)
    return wer([said], [" ".join(await bench.texts(drained.jobs))])
