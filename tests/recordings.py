"""Real speech to test on: the two-speaker sample that pyannote.audio ships, and recordings made from it."""

import wave
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.blobs import ObjectStore
from shared.pcm import SLICE_BYTES, slice_key

# Found without importing the package, which takes seconds.
SAMPLE = Path(str(distribution("pyannote.audio").locate_file("pyannote/audio/sample/sample.wav")))
RATE = 16_000


def samples(path: Path = SAMPLE) -> npt.NDArray[np.int16]:
    """Return the 16 kHz mono samples of a WAV file."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def write_wav(path: Path, data: npt.NDArray[np.int16]) -> Path:
    """Write 16 kHz mono samples as a WAV file and return its path."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())
    return path


def looped(path: Path, times: int, silence: float) -> Path:
    """Write the sample `times` over with `silence` seconds behind each and return the path."""
    gap = np.zeros(int(silence * RATE), np.int16)
    return write_wav(path, np.concatenate([piece for _ in range(times) for piece in (samples(), gap)]))


async def lay_down(blobs: ObjectStore, pcm: str, sound: bytes) -> None:
    """Store s16le samples in slices under the prefix `pcm`, as the downloader does."""
    for number, start in enumerate(range(0, len(sound), SLICE_BYTES)):
        await blobs.put(slice_key(pcm, number), sound[start : start + SLICE_BYTES])
