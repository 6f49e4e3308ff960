"""One audio stream on its way to a file: decoded, resampled, kept in time, counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from services.downloader.converter import Converter
from services.downloader.stated import SHORT, Readable, stated
from shared.mesh.outcomes import GiveUp
from shared.pcm import SAMPLE_BYTES
from shared.transcript import SAMPLE_RATE

GAP = range(SAMPLE_RATE // 10, 600 * SAMPLE_RATE)
"""Samples missing between two frames that become silence: less is jitter, more a clock that started again."""

IN_TIME = range(160 - GAP.stop, GAP.start - 160)
"""Samples that seem to be missing while some are still to be resampled, which no exact count makes a gap."""


class Writable(Protocol):
    """Where samples go."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take the samples."""


@dataclass(frozen=True)
class Sound:
    """How many samples were decoded, and what went wrong with the others."""

    samples: int
    warnings: tuple[str, ...]


class Track:
    """The first audio stream of a container on its way to the file; counts samples at 16 kHz."""

    def __init__(self, container: InputContainer, pcm: Writable, longest: float) -> None:
        self._container, self._pcm, self._longest = container, pcm, longest
        self._stream: AudioStream = container.streams.audio[0]
        self._converter = Converter(self._write, self._leave_out)
        # The clock of all streams, so that sound that sets in later than the picture keeps its place.
        self._zero = None if container.start_time is None else round(container.start_time * SAMPLE_RATE / av.time_base)
        self._samples = self._filled = 0
        self._damaged, self._first_damaged = 0, 0.0
        self._ended: float | None = None

    def packets(self) -> "Iterator[Packet[Any]]":
        """Yield the stream's packets up to the end or to where the container can no longer be read."""
        try:
            yield from self._container.demux(self._stream)
        except IndexError:
            # Formats such as FLV and MPEG-TS name no streams beforehand. At the end, when this stream's last packet has
            # been given, PyAV may look for one that has come on the way, and does not know of it.
            return
        except FFmpegError:
            self._converter.drain()
            self._ended = self._seconds

    def take(self, packet: "Packet[Any]") -> None:
        """Decode a packet; one that is damaged is noted and left out."""
        try:
            for frame in packet.decode():
                if isinstance(frame, AudioFrame):
                    self._keep_time(frame)
                    self._converter.take(frame)
        except FFmpegError:
            self._converter.drain()
            self._leave_out()

    def finish(self, source: Readable) -> Sound:
        """Write what is still held of `source` and return the whole; raise GiveUp if there is none."""
        self._converter.finish()
        if self._samples == self._filled:
            raise GiveUp(
                f"the recording has an audio stream ({self._kind}), but nothing of it can be decoded "
                "and mixed down to one channel"
            )
        return Sound(self._samples, tuple(self._warnings(source)))

    @property
    def _kind(self) -> str:
        if self._stream.codec_context is None:
            return "in a codec that is not known"
        return f"{self._stream.codec_context.name}, {self._stream.layout.name}, {self._stream.sample_rate} Hz"

    @property
    def _seconds(self) -> float:
        return self._samples / SAMPLE_RATE

    def _leave_out(self) -> None:
        self._first_damaged = self._first_damaged if self._damaged else self._seconds
        self._damaged += 1

    def _keep_time(self, frame: AudioFrame) -> None:
        if frame.time is None:
            return
        at = round(frame.time * SAMPLE_RATE)
        if self._zero is not None and at - self._zero - self._samples - self._converter.held in IN_TIME:
            return
        self._converter.drain()
        missing = 0 if self._zero is None else at - self._zero - self._samples
        if missing in GAP:
            self._write(bytes(missing * SAMPLE_BYTES))
            self._filled += missing
        elif self._zero is None or abs(missing) >= GAP.stop:
            self._zero = at - self._samples

    def _write(self, samples: bytes | memoryview) -> None:
        self._samples += len(samples) // SAMPLE_BYTES
        if self._seconds > self._longest:
            raise GiveUp(f"the recording is longer than {self._longest:g} s; raise SCRIBE_MAX_DURATION to allow it")
        self._pcm.write(samples)

    def _warnings(self, source: Readable) -> Iterator[str]:
        if (streams := len(self._container.streams.audio)) > 1:
            yield f"the recording has {streams} audio streams, of which only the first was heard"
        if self._damaged:
            yield f"{self._damaged} damaged pieces were left out, the first at {self._first_damaged:.1f} s"
        if self._ended is not None:
            yield f"the recording is damaged: nothing after {self._ended:.1f} s can be read"
        whole = stated(self._container, source, self._seconds)
        if self._seconds < whole * SHORT:
            yield f"the recording is cut off: it says it lasts {whole:.1f} s, but {self._seconds:.1f} s can be read"
