"""The pulse: what cannot be told delays no heartbeat."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from shared.mesh.pulse import Pulse

INTERVAL = 0.02


async def refused(_: float) -> None:
    """Fail at once, as with a connection that is closed."""
    raise ConnectionError("refused")


async def unheard(_: float) -> None:
    """Never come back, as with a broker that has blocked the connection."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("tell", [refused, unheard])
async def test_a_step_beats_on_while_the_broker_is_away(tell: Callable[[float], Awaitable[None]]) -> None:
    """However fast it gets on: otherwise another worker would take it for abandoned, and do it again."""
    beats, beating = list[float](), asyncio.Event()

    async def beat(fraction: float) -> bool:
        beats.append(fraction)
        if len(beats) == 4:
            beating.set()
        return True

    async with Pulse(beat, tell, threading.Event(), INTERVAL) as pulse, asyncio.timeout(50 * INTERVAL):
        while not beating.is_set():
            pulse.progress(len(beats) / 10 + 0.01)
            await asyncio.sleep(INTERVAL / 4)
    assert beats[-1] > beats[0]
