"""The quarantine: what has ended a worker before is worked on alone."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import pytest

from shared.clock import now
from shared.jobs.claims import Claimed, Crashed, Rules, claim
from shared.jobs.states import StepState
from shared.jobs.store import change
from shared.mesh.quarantine import Quarantine
from shared.topology import Stage
from tests.fakes.bench import Bench, usual

RULES = Rules(5, 20.0)


class Rooms:
    """Runs blocks in one quarantine and knows who is inside."""

    def __init__(self) -> None:
        self.quarantine, self.inside = Quarantine(), set[str]()
        self._go: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def enter(self, name: str, *, alone: bool) -> None:
        """Let somebody in, or wait at the door."""
        self._go[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._stay(name, alone))
        await settled()

    async def leave(self, name: str) -> None:
        """Let somebody go."""
        self._go[name].set()
        await self._tasks[name]
        await settled()

    async def _stay(self, name: str, alone: bool) -> None:
        async with self.quarantine.entered(alone=alone):
            self.inside.add(name)
            await self._go[name].wait()
            self.inside.discard(name)


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_whoever_must_be_alone_waits_for_all_others_and_they_for_it() -> None:
    """Others come together; the one alone comes after them and before those who came later."""
    rooms = Rooms()
    await rooms.enter("first", alone=False)
    await rooms.enter("second", alone=False)
    await rooms.enter("suspect", alone=True)
    await rooms.enter("late", alone=False)
    assert rooms.inside == {"first", "second"}
    await rooms.leave("first")
    await rooms.leave("second")
    assert rooms.inside == {"suspect"}
    await rooms.leave("suspect")
    assert rooms.inside == {"late"}
    await rooms.leave("late")


async def test_two_who_must_be_alone_are_never_together() -> None:
    """One after the other."""
    rooms = Rooms()
    await rooms.enter("one", alone=True)
    await rooms.enter("other", alone=True)
    assert rooms.inside == {"one"}
    await rooms.leave("one")
    assert rooms.inside == {"other"}
    await rooms.leave("other")


async def test_who_gives_up_waiting_to_be_alone_keeps_nobody_out() -> None:
    """A waiter that is cancelled is forgotten, and those behind it come in."""
    quarantine, inside = Quarantine(), asyncio.Event()

    async def asks(then: Callable[[], Awaitable[object]], *, alone: bool) -> None:
        async with quarantine.entered(alone=alone):
            inside.set()
            await then()

    stays = asyncio.create_task(asks(asyncio.Event().wait, alone=False))
    await inside.wait()
    waits = asyncio.create_task(asks(asyncio.Event().wait, alone=True))
    await settled()
    inside.clear()
    behind = asyncio.create_task(asks(settled, alone=False))
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    await asyncio.wait_for(inside.wait(), 60)
    await behind
    stays.cancel()


def test_a_step_whose_worker_ended_without_a_word_is_a_suspect_until_its_end() -> None:
    """The document says so from the moment another finds out, and still when the step is claimed again."""
    bench = Bench()
    step, later = bench.step(Stage.DOWNLOADER), now() + timedelta(seconds=60)
    claimed = claim(bench.job, step, "w1", now(), RULES)
    assert isinstance(claimed, Claimed)
    assert not claimed.job.crashed(step)
    found_out = claim(claimed.job, step, "w2", later, RULES)
    assert isinstance(found_out, Crashed)
    assert found_out.job.crashed(step)
    assert claim(found_out.job, step, "w2", later, RULES).job.crashed(step)


async def test_a_suspect_is_alone_also_for_a_worker_that_knows_an_older_document() -> None:
    """What a process remembers of the job may be from before the crash; the claim finds out, and then it waits."""
    bench = Bench()
    step, later = bench.step(Stage.DOWNLOADER), now() + timedelta(seconds=60)
    old = bench.job
    for worker, moment in (("w1", now()), ("w2", later)):
        await change(bench.store, bench.job, partial(claim, step=step, worker=worker, now=moment, rules=RULES))
    bench.store.claimable = lambda _: old  # type: ignore[method-assign, assignment]  # a document out of date
    entered = list[bool]()
    executor = bench.executor(Stage.DOWNLOADER, usual, attempts=5)
    executor._quarantine = Noted(entered)
    await executor.run(step, threading.Event(), after=bench.after(step))
    assert entered == [False, True]
    assert bench.job.steps[step.key].state is StepState.DONE


class Noted(Quarantine):
    """A quarantine that notes who asked to be alone."""

    def __init__(self, entered: list[bool]) -> None:
        super().__init__()
        self._entered = entered

    @asynccontextmanager
    async def entered(self, *, alone: bool) -> AsyncIterator[None]:
        """Note it, and let them in."""
        self._entered.append(alone)
        async with super().entered(alone=alone):
            yield
