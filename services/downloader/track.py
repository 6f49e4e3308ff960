"""One audio stream on its way to a file: decoded, resampled, kept in time, counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from shared.mesh.outcomes import GiveUp
from shared.transcript import SAMPLE_RATE

SAMPLE_BYTES = 2

GAP = range(SAMPLE_RATE // 10, 600 * SAMPLE_RATE)
"""Samples missing between two frames that become silence: less is jitter, more a clock that started again."""

STATES_LENGTH = frozenset({"flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"})
"""Formats whose header states the length; of others FFmpeg guesses it from the size and the bit rate."""

SHORT = 0.98
"""A recording with less of its stated length than this was cut off."""


@dataclass(frozen=True)
class Sound:
    """How many samples were decoded, and what went wrong with the others."""

    samples: int
    warnings: tuple[str, ...]


class Track:
    """The first audio stream of a container on its way to the file; counts samples at 16 kHz."""

    def __init__(self, container: InputContainer, pcm: IO[bytes], longest: float) -> None:
        self._container, self._pcm, self._longest = container, pcm, longest
        self._stream: AudioStream = container.streams.audio[0]
        self._shape: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None
        # The clock of all streams, so that sound that sets in later than the picture keeps its place.
        self._zero = None if container.start_time is None else round(container.start_time * SAMPLE_RATE / av.time_base)
        self._samples = 0
        self._damaged: list[float] = []
        self._ended: float | None = None

    def packets(self) -> "Iterator[Packet[Any]]":
        """Yield the stream's packets up to the end or to where the container can no longer be read."""
        try:
            yield from self._container.demux(self._stream)
        except FFmpegError:
            self._ended = self._seconds

    def take(self, packet: "Packet[Any]") -> None:
        """Decode a packet; one that is damaged is noted and left out."""
        try:
            for frame in packet.decode():
                if isinstance(frame, AudioFrame):
                    self._keep_time(frame)
                    self._resample(frame)
        except FFmpegError:
            self._damaged.append(self._seconds)

    def finish(self) -> Sound:
        """Write what the resampler still holds and return the whole; raise GiveUp if there is none."""
        self._flush()
        if not self._samples:
            raise GiveUp("the recording has an audio stream, but nothing of it can be decoded")
        return Sound(self._samples, tuple(self._warnings()))

    @property
    def _seconds(self) -> float:
        return self._samples / SAMPLE_RATE

    def _keep_time(self, frame: AudioFrame) -> None:
        if frame.time is None:
            return
        at = round(frame.time * SAMPLE_RATE)
        missing = 0 if self._zero is None else at - self._zero - self._samples
        if missing in GAP:
            self._write(bytes(missing * SAMPLE_BYTES))
        elif self._zero is None or abs(missing) >= GAP.stop:
            self._zero = at - self._samples

    def _resample(self, frame: AudioFrame) -> None:
        # Some streams change shape on their way (HE-AAC after its first frame): each shape has its own resampler.
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self._flush()
            self._shape, self._resampler = shape, AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        frame.pts = None
        self._write_frames(frame)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._write_frames(None)

    def _write_frames(self, frame: AudioFrame | None) -> None:
        if self._resampler is not None:
            for resampled in self._resampler.resample(frame):
                self._write(resampled.to_ndarray().astype("<i2", copy=False).tobytes())

    def _write(self, samples: bytes) -> None:
        self._samples += len(samples) // SAMPLE_BYTES
        if self._seconds > self._longest:
            raise GiveUp(f"the recording is longer than {self._longest:g} s; raise SCRIBE_MAX_DURATION to allow it")
        self._pcm.write(samples)

    def _warnings(self) -> Iterator[str]:
        if self._damaged:
            yield f"{len(self._damaged)} damaged pieces were left out, the first at {self._damaged[0]:.1f} s"
        if self._ended is not None:
            yield f"the recording is damaged: nothing after {self._ended:.1f} s can be read"
        stated = self._stated()
        if self._seconds < stated * SHORT:
            yield f"the recording is cut off: it says it lasts {stated:.1f} s, but {self._seconds:.1f} s can be read"

    def _stated(self) -> float:
        """Return the stream's length in seconds as its header states it, or 0."""
        if self._container.format.name not in STATES_LENGTH:
            return 0.0
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        # Without a length of the stream's own there is the container's, which the picture may have stretched.
        whole = self._container.duration if len(self._container.streams) == 1 else None
        return (whole or 0) / av.time_base
