"""What runs in a process: told to stop by job, waited for at the end, and joined by whoever asks for the same step."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from shared.jobs.step import Step
from shared.mesh.running import Running
from shared.topology import Stage
from tests.fakes.clock import without_waiting

GRACE = 30.0
MINE, THEIRS = Step("mine", Stage.TRANSCRIBER), Step("theirs", Stage.TRANSCRIBER)


def until_stopped(stops: list[threading.Event]) -> Callable[[threading.Event], Coroutine[Any, Any, bool]]:
    """Return what runs until it is told to stop, and notes the event that tells it."""

    async def run(stop: threading.Event) -> bool:
        stops.append(stop)
        while not stop.is_set():  # noqa: ASYNC110 - as a stage looks between two segments
            await asyncio.sleep(1)
        return False

    return run


@without_waiting
async def test_only_the_runs_of_a_cancelled_job_are_told_to_stop() -> None:
    """The others go on."""
    running, stops = Running(), list[threading.Event]()
    handlers = [asyncio.create_task(running.join(step, until_stopped(stops))) for step in (MINE, THEIRS)]
    await asyncio.sleep(1)
    running.stop("mine")
    assert [stop.is_set() for stop in stops] == [True, False]
    await handlers[0]
    running.stop("theirs")
    await handlers[1]


@pytest.mark.parametrize(("seconds", "stopped"), [(GRACE - 1, False), (GRACE + 1, True)])
def test_a_drain_waits_for_what_ends_in_time_and_stops_the_rest(seconds: float, stopped: bool) -> None:
    """It is over when nothing runs any more; where nothing runs, at once."""

    @without_waiting
    async def drained() -> None:
        running, stops, ended = Running(), list[threading.Event](), list[float]()

        async def run(stop: threading.Event) -> bool:
            stops.append(stop)
            while asyncio.get_running_loop().time() < seconds and not stop.is_set():  # noqa: ASYNC110 - as above
                await asyncio.sleep(1)
            ended.append(asyncio.get_running_loop().time())
            return False

        await running.drain(GRACE)
        handler = asyncio.create_task(running.join(MINE, run))
        await asyncio.sleep(0)
        await running.drain(GRACE)
        assert ended == [GRACE if stopped else seconds]
        assert stops[0].is_set() == stopped
        await handler

    drained()


@without_waiting
async def test_who_comes_while_a_step_runs_waits_for_it_and_then_looks_for_itself() -> None:
    """Two never work on it side by side."""
    running, began = Running(), list[int]()
    inside = 0

    async def run(stop: threading.Event) -> bool:
        nonlocal inside
        del stop
        inside += 1
        began.append(inside)
        await asyncio.sleep(5)
        inside -= 1
        return False

    await asyncio.gather(*(running.join(MINE, run) for _ in range(3)))
    assert began == [1, 1]
