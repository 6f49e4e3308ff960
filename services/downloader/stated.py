"""How long a recording says that it is, to be held against what can be decoded of it."""

import os
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

SHORT = 0.98
"""A recording with less of its stated length than this was cut off."""

STATES_LENGTH = frozenset({"au", "flac", "matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"})
"""Formats whose length FFmpeg takes from the header; of others it guesses it from the size and the bit rate."""

UNKNOWN = 2**31 - 2**16
"""Bytes of sound from which on a WAV file's header says nothing: who writes to a pipe puts the most there can be."""

CHUNKS = 1_000
"""Of a WAV file before its sound: more are nobody's, and each is looked at by itself."""


class Readable(Protocol):
    """A file object; it may block until what is asked for is there."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, fewer than `size` at the end only."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place and return it."""

    def tell(self) -> int:
        """Return the place."""


def stated(container: InputContainer, source: Readable, seconds: float) -> float:
    """Return the length in seconds of the container's first audio stream as the header states it, or 0.

    `seconds` of `source` could be decoded. Blocks until its end is known, and moves its place.
    """
    stream, kind = container.streams.audio[0], container.format.name
    if kind == "wav":
        return seconds * _promised(source)
    if kind == "mp3":
        return _of_mp3(stream, source.seek(0, os.SEEK_END))
    if kind not in STATES_LENGTH:
        return 0.0
    # Without a length of the stream's own there is the container's, which the picture may have stretched.
    whole = container.duration if len(container.streams) == 1 else None
    return _of(stream) or (whole or 0) / av.time_base


def _of(stream: AudioStream) -> float:
    if stream.duration is None or stream.time_base is None:
        return 0.0
    return float(stream.duration * stream.time_base)


def _of_mp3(stream: AudioStream, size: int) -> float:
    """Return the length if a header (Xing's or Fraunhofer's) states it, or if it is one that the size bears out.

    FFmpeg takes length and bit rate from such a header; without one it guesses the length by the rate and the size.
    """
    rate = stream.codec_context.bit_rate if stream.codec_context is not None else None
    seconds = _of(stream)
    return seconds if size < (rate or 0) / 8 * seconds * SHORT else 0.0


def _promised(source: Readable) -> float:
    """Return how many times the sound that is there a WAV file's header promises, or 0 (RIFF, Microsoft 1991).

    FFmpeg tells only what is there.
    """
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    at = 12 if source.read(4) == b"RIFF" else size
    for _ in range(CHUNKS):
        source.seek(at)
        head = source.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"data" and size > at + 8:
            return length / (size - at - 8) if length < UNKNOWN else 0.0
        at += 8 + length + length % 2
        if at >= size:
            break
    return 0.0
