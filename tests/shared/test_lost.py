"""A lost connection is an error; being cancelled is not."""

import asyncio

import pytest

from shared.mesh.lost import LOST, lost_as_error


async def test_a_connection_found_dead_is_an_error_of_who_waits_for_it() -> None:
    """What it had promised is cancelled, and nobody has cancelled the one who waits."""
    promised: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    promised.cancel()
    with pytest.raises(LOST), lost_as_error():
        await promised


async def test_who_is_cancelled_while_it_waits_is_cancelled() -> None:
    """A drain must be able to end it."""

    async def waits() -> None:
        with lost_as_error():
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
