"""Decoding sound of shapes and sizes that no microphone gives: it is told, and takes no memory."""

import io
import struct
import subprocess
import sys
import wave
import zlib
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest

from shared.mesh.outcomes import GiveUp
from tests.recordings import RATE
from tests.sounds import decoded, recorded


def wav(rate: int, channels: int) -> bytes:
    """Return half a second of noise, at 16 kHz, under the header given."""
    noise, file = np.random.default_rng(0).bytes(RATE * channels), io.BytesIO()
    with wave.open(file, "wb") as header:
        header.setparams((channels, 2, rate, 0, "NONE", ""))
        header.writeframes(noise)
    return file.getvalue()


@pytest.mark.parametrize(
    ("rate", "channels"), [(RATE, 9), (RATE, 32), (RATE, 65), (8_000_000, 1), (400_000_009, 1), (2**31 - 1, 1)]
)
def test_sound_of_a_shape_that_cannot_be_converted_is_given_up_on(rate: int, channels: int) -> None:
    """The shape is named, and it is no bug that is tried again."""
    with pytest.raises(
        GiveUp, match=rf"\(pcm_s16le, {channels} channels, {rate} Hz\), but nothing of it can be decoded"
    ):
        decoded(wav(rate, channels))


def test_sound_in_an_unknown_codec_is_given_up_on() -> None:
    """What FFmpeg has no decoder for is told as that."""
    unknown = bytearray(wav(RATE, 1))
    unknown[20:22] = b"\x34\x12"
    with pytest.raises(GiveUp, match="codec that is not known"):
        decoded(bytes(unknown))


MEASURED = """
import io, re, sys
from pathlib import Path
from services.downloader.decode import decode
class Nowhere:
    write = staticmethod(len)
decode(io.BytesIO(sys.stdin.buffer.read()), Nowhere(), 100_000, lambda: None, lambda _: None)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))
"""
"""Decodes and prints the most memory that the process ever held, in kilobytes."""


def slow() -> bytes:
    """Return four hours of silence in some kilobytes: one sample a second, and 16,384 of them a frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=1, layout="mono", options={"frame_size": "16384", "strict": "-2"})
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_384), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 1, 0, Fraction(1, 1)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def pictured() -> bytes:
    """Return a recording whose cover is a picture of 16,000 by 16,000 points, all black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    points = b"".join(packer.compress(bytes(1 + 16_000 * 8)) for _ in range(16_000)) + packer.flush()
    head = struct.pack(">IIBBBBB", 16_000, 16_000, 16, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", points) + chunk(b"IEND", b"")
    body = b"\0image/png\0\x03\0" + png
    tag = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = bytes(len(tag) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + tag + recorded("mp3", "libmp3lame")


@pytest.mark.parametrize("made", [slow, pictured])
def test_a_small_recording_takes_no_large_memory(made: Callable[[], bytes]) -> None:
    """Neither a frame that lasts for hours nor a cover of some megabytes takes a process's memory."""
    ended = subprocess.run(  # noqa: S603 - of our own making
        [sys.executable, "-c", MEASURED], input=made(), stdout=subprocess.PIPE, check=True
    )
    assert int(ended.stdout) < 400_000
