"""Short recordings of real speech, each unlike the others, laid where uploads lie."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from shared.blobs import ObjectStore
from tests.recordings import RATE, samples, write_wav

TENANT = "chaos"
SHORT, LONG = 12, 2
"""How many recordings of one chunk there are, and how many of several."""

REPEATED = 12
"""A long recording has more chunks than all transcribers hold at once: while some are done, others are at work, and so
long that a cancel comes in time on a busy machine."""


async def lay_down(blobs: ObjectStore) -> list[str]:
    """Store the recordings and return their keys."""
    keys = []
    with TemporaryDirectory() as folder:
        for number, sound in enumerate(_sounds()):
            file = write_wav(Path(folder) / f"{number}.wav", sound)
            keys.append(f"uploads/{TENANT}/{number}.wav")
            await blobs.put(keys[-1], file)
    return keys


def _sounds() -> list[np.ndarray]:
    speech = samples()[7 * RATE : 27 * RATE]
    short = [np.roll(speech, number * RATE)[: 3 * RATE + number * 800] for number in range(SHORT)]
    long = [np.concatenate([np.roll(speech, number * 777)] * REPEATED) for number in range(1, LONG + 1)]
    return [*short, *long]
