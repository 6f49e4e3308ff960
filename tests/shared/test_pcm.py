"""Prepared sound in slices: read as if it were one object."""

import pytest

from shared import pcm
from shared.blobs import NoSuchObject, ObjectStore
from tests.recordings import lay_down

LENGTH = 2 * pcm.SLICE_BYTES + 1_000
SOUND = bytes(range(251)) * (LENGTH // 251 + 1)


@pytest.fixture
async def blobs() -> ObjectStore:
    """Return a store with two whole slices and the beginning of a third."""
    store = ObjectStore("memory://")
    await lay_down(store, "p", SOUND[:LENGTH])
    return store


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, 10),
        (pcm.SLICE_BYTES - 5, pcm.SLICE_BYTES),
        (pcm.SLICE_BYTES - 5, pcm.SLICE_BYTES + 5),
        (pcm.SLICE_BYTES, pcm.SLICE_BYTES + 5),
        (7, LENGTH - 7),
        (0, LENGTH),
    ],
)
async def test_a_span_is_read_across_slices(blobs: ObjectStore, start: int, end: int) -> None:
    """Wherever a span lies, its bytes are those of the whole."""
    assert await pcm.read(blobs, "p", start, end) == SOUND[start:end]


async def test_the_parts_of_a_span_are_its_slices(blobs: ObjectStore) -> None:
    """What lies in one slice comes as the store read it, and nothing is copied to make one piece of all."""
    found = await pcm.parts(blobs, "p", 7, pcm.SLICE_BYTES + 5)
    assert [bytes(part) for part in found] == [SOUND[7 : pcm.SLICE_BYTES], SOUND[pcm.SLICE_BYTES : pcm.SLICE_BYTES + 5]]


async def test_what_reaches_beyond_the_end_is_shorter(blobs: ObjectStore) -> None:
    """The last slice ends where the recording ends."""
    assert await pcm.read(blobs, "p", LENGTH - 10, LENGTH + 10) == SOUND[LENGTH - 10 : LENGTH]


async def test_a_slice_that_is_not_there_is_named(blobs: ObjectStore) -> None:
    """Sound that is gone is never taken for silence, or for the end."""
    await blobs.delete(pcm.slice_key("p", 1))
    with pytest.raises(NoSuchObject, match=r"'p/00001\.s16'"):
        await pcm.read(blobs, "p", 0, LENGTH)
    assert await pcm.read(blobs, "p", 0, 10) == SOUND[:10]
