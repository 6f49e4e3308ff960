"""Frames of sound of any shape become 16 kHz mono s16 samples.

Frames are short (26 ms in mp3) and each costs the resampler as much as the sound in it, so they are collected first: an
hour of mp3 takes 2.1 core-seconds to decode and resample instead of 4.9, and the samples are the same, bit by bit.
Never more than a second of it is resampled at once, however much a frame holds: memory is a multiple of that.
"""

from collections.abc import Callable

from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from services.downloader.phase import turn_over
from shared.pcm import SAMPLE_BYTES
from shared.transcript import SAMPLE_RATE

HIGHEST_RATE = 6_000_000
"""Hz: DSD1024, the finest there is, decodes to 5.6 MHz. The filter grows with the rate: at 100 MHz it takes 0.8 GB."""


class Converter:
    """Gives the samples of frames to `write`, a second of them at a time, and tells `lost` of each it cannot convert.

    That is what has a rate of no sound, or more channels than FFmpeg knows how to mix.
    """

    def __init__(self, write: Callable[[memoryview], None], lost: Callable[[], None]) -> None:
        self._write, self._lost = write, lost
        self._shape: tuple[str, str, int] | None = None
        self._frames, self._resampler = AudioFifo(), _resampler()

    @property
    def held(self) -> int:
        """The samples at 16 kHz that the collected frames will become."""
        return round(self._frames.samples * SAMPLE_RATE / self._shape[-1]) if self._shape else 0

    def take(self, frame: AudioFrame) -> None:
        """Take the next frame."""
        if frame.sample_rate > HIGHEST_RATE:
            self._lost()
            return
        # Some streams change shape on their way (HE-AAC after its first frame): each shape has its own resampler.
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self.finish()
            self._shape = shape
            self._frames, self._resampler = AudioFifo(), _resampler()
        frame.pts = None
        self._frames.write(frame)
        if self._frames.samples >= frame.sample_rate:
            self.drain()

    def drain(self) -> None:
        """Write what was collected, but for the little that the resampler holds back."""
        second = self._shape[-1] if self._shape else 0
        while (collected := self._frames.read(second, partial=True)) is not None:
            collected.pts = None
            turn_over(collected)
            self._resample(collected)

    def finish(self) -> None:
        """Write all that was taken; frames that follow start anew."""
        self.drain()
        if self._shape is not None:
            self._resample(None)
            self._shape = None

    def _resample(self, frame: AudioFrame | None) -> None:
        try:
            resampled = self._resampler.resample(frame)
        except FFmpegError:
            self._resampler = _resampler()  # one that has failed gives nothing from then on, and no error
            self._lost()
            return
        for each in resampled:
            self._write(memoryview(each.planes[0])[: each.samples * SAMPLE_BYTES])


def _resampler() -> AudioResampler:
    return AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
