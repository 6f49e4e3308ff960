"""The pulse: what cannot be told delays no heartbeat."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from shared.mesh.pulse import Pulse
from tests.fakes.clock import without_waiting

INTERVAL = 5.0


async def refused(_: float) -> None:
    """Fail at once, as with a connection that is closed."""
    raise ConnectionError("refused")


async def unheard(_: float) -> None:
    """Never come back, as with a broker that has blocked the connection."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("tell", [refused, unheard])
@without_waiting
async def test_a_step_beats_on_while_the_broker_is_away(tell: Callable[[float], Awaitable[None]]) -> None:
    """However fast it gets on: otherwise another worker would take it for abandoned, and do it again."""
    clock = asyncio.get_running_loop().time
    beats, at = list[float](), [clock()]

    async def beat(fraction: float) -> bool:
        beats.append(fraction)
        at.append(clock())
        return True

    async with asyncio.timeout(30 * INTERVAL), Pulse(beat, tell, threading.Event(), INTERVAL) as pulse:
        for moment in range(200):
            pulse.progress(moment / 200 + 0.001)
            await asyncio.sleep(INTERVAL / 10)
    assert beats == sorted(set(beats))
    assert max(later - earlier for earlier, later in pairwise(at)) <= 2.5 * INTERVAL
    assert at[-1] > 15 * INTERVAL
