"""The pulse: what cannot be told delays no heartbeat."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from shared.clock import now
from shared.jobs.moves import cancel
from shared.jobs.states import JobState
from shared.mesh.outcomes import Stopped
from shared.mesh.pulse import Pulse
from shared.mesh.work import Work
from shared.topology import Happening
from shared.transcript import Output
from tests.fakes.bench import Bench
from tests.fakes.clock import without_waiting
from tests.fakes.jobs import WINDOW

INTERVAL = 5.0


async def refused(_: float) -> None:
    """Fail at once, as with a connection that is closed."""
    raise ConnectionError("refused")


async def told(_: float) -> None:
    """Be heard."""


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


@without_waiting
async def test_a_step_at_work_shows_its_progress_in_its_document_and_outside() -> None:
    """Its stage says how far it is; what it is told to stop by is set once it is no longer its worker's."""
    bench, seen = Bench(), list[float]()
    step = bench.first[0]

    async def works(work: Work) -> Output:
        work.progress(0.5)
        await asyncio.sleep(2.5 * INTERVAL)
        seen.append(bench.job.steps[step.key].progress)
        assert not work.stop.is_set()
        ended = cancel(bench.job, now(), WINDOW).job
        bench.store.jobs[bench.id] = ended.but(revision=ended.revision + 1)
        await asyncio.sleep(2.5 * INTERVAL)
        assert work.stop.is_set()
        raise Stopped

    await bench.run(step, works)
    assert seen == [0.5]
    told = [event.body["fraction"] for event in bench.post.events if event.happening is Happening.PROGRESS]
    assert told == [0.5]
    assert bench.job.state is JobState.CANCELLED


@without_waiting
async def test_what_cannot_be_done_for_a_while_is_said_once_and_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is tried again all the time, and a line each time would bury all else; the next outage is said, too."""
    outcomes, over = [refused, refused, told, refused, refused, told], asyncio.Event()

    async def tell(fraction: float) -> None:
        pulse.progress(fraction + 0.1)
        if len(outcomes) == 1:
            over.set()
        await outcomes.pop(0)(fraction)

    async def beat(_: float) -> bool:
        return True

    async with Pulse(beat, tell, threading.Event(), INTERVAL) as pulse, asyncio.timeout(50 * INTERVAL):
        pulse.progress(0.1)
        await over.wait()
    assert [each.levelno for each in caplog.records] == 2 * [logging.WARNING]
    assert "Traceback" not in caplog.text


@without_waiting
async def test_a_bug_is_said_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """What neither a broker nor a database that is away explains is for somebody to mend."""
    beaten = asyncio.Event()

    async def beat(_: float) -> bool:
        beaten.set()
        raise KeyError

    async with Pulse(beat, unheard, threading.Event(), INTERVAL), asyncio.timeout(50 * INTERVAL):
        await beaten.wait()
    assert "KeyError" in caplog.text
    assert "Traceback" in caplog.text
