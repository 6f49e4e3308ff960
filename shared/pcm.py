"""The prepared sound in the object store: s16le, mono, 16 kHz, in slices of two minutes, one object each.

An object becomes visible only when it is whole. In slices, what is prepared of a recording can be read while the rest
of it still comes in.
"""

import asyncio

from shared.blobs import Blobs
from shared.transcript import SAMPLE_RATE

SAMPLE_BYTES = 2

FULL_SCALE = 32768.0
"""The sample that is 1.0 as a float, one more than there is: -1.0 is the least."""

SLICE_SECONDS = 120
"""3.84 MB: less than a chunk, for the first of which transcribers wait, and few objects for many hours."""

SLICE_BYTES = SLICE_SECONDS * SAMPLE_RATE * SAMPLE_BYTES


def slice_key(pcm: str, number: int) -> str:
    """Return the key of a slice of the recording whose sound lies under the prefix `pcm`."""
    return f"{pcm}/{number:05d}.s16"


async def read(blobs: Blobs, pcm: str, start: int, end: int) -> bytes:
    """Return bytes `start` (inclusive) to `end` (exclusive) of the sound under the prefix `pcm`.

    They are fewer where the last slice ends before; raises NoSuchObject if a slice between the two is missing.
    """
    return b"".join(await parts(blobs, pcm, start, end))


async def parts(blobs: Blobs, pcm: str, start: int, end: int) -> list[memoryview]:
    """Return the same slice by slice, without a copy: much memory, taken anew, costs more time than the reading."""
    numbers = range(start // SLICE_BYTES, -(-end // SLICE_BYTES))
    return await asyncio.gather(*(_part(blobs, pcm, number, start, end) for number in numbers))


async def _part(blobs: Blobs, pcm: str, number: int, start: int, end: int) -> memoryview:
    first = number * SLICE_BYTES
    return await blobs.read(slice_key(pcm, number), max(start - first, 0), min(end - first, SLICE_BYTES))
