"""How many messages a service holds over a real broker, by what they weigh."""

import asyncio

import pytest

from shared.jobs.step import Step
from shared.mesh.appetite import Appetite
from shared.mesh.stage import stage_service
from shared.mesh.work import Work
from shared.topology import Happening, Lane, Stage, work_queue
from shared.transcript import Output
from tests.broker.conftest import Net
from tests.broker.test_steps import cut, usual
from tests.fakes.jobs import prepared

pytestmark = pytest.mark.broker

CAPACITY = 4
QUEUE = work_queue(Stage.TRANSCRIBER).name


class Engine:
    """A stage that weighs its steps and holds each until it may go."""

    def __init__(self, weight: int) -> None:
        self._weight, self._over = weight, False
        self._came = asyncio.Condition()
        self.held: dict[Step, asyncio.Event] = {}
        self.order: list[Step] = []

    async def __call__(self, work: Work) -> Output:
        """Weigh the step, hold it, and do as usual."""
        self.held[work.step] = asyncio.Event()
        self.order.append(work.step)
        work.weigh(self._weight)
        async with self._came:
            self._came.notify_all()
        if not self._over:
            await self.held[work.step].wait()
        del self.held[work.step]
        return await usual(work)

    async def has_taken(self, count: int) -> None:
        """Return once so many steps came."""
        async with asyncio.timeout(120), self._came:
            await self._came.wait_for(lambda: len(self.order) >= count)

    def release(self, count: int = 1) -> None:
        """Let those steps go that came first."""
        for event in list(self.held.values())[:count]:
            event.set()

    def end(self) -> None:
        """Let all steps go, and hold none any more."""
        self._over = True
        self.release(len(self.held))


async def two_chunks(work: Work) -> Output:
    """Prepare a recording of two chunks: both are queued at once, and nothing follows them."""
    del work
    return prepared(2)


async def transcribers(net: Net, jobs: int, *engines: Engine) -> None:
    """Queue two chunks of each of the jobs, then start a transcriber with each engine."""
    await net.stages(two_chunks, Stage.DOWNLOADER)
    for _ in range(jobs):
        await net.submit(diarize=False)
    await net.waiting(QUEUE, 2 * jobs)
    for engine in engines:
        appetite = Appetite(lambda: CAPACITY)
        await net.run(stage_service(Stage.TRANSCRIBER, net.settings, net.parts.blobs, engine, appetite=appetite))


@pytest.mark.parametrize(("weight", "fitting"), [(1, 4), (2, 2), (9, 1)])
async def test_a_service_takes_what_fits_into_its_engine_and_leaves_the_rest_to_others(
    net: Net, weight: int, fitting: int
) -> None:
    """Four light steps, two heavier ones or one too heavy for the engine; the broker keeps all others in lane order."""
    engine = Engine(weight)
    await transcribers(net, 4, engine)
    await engine.has_taken(fitting)
    assert (await net.waiting(QUEUE, 8 - fitting)).consumers == fitting
    engine.release()
    await engine.has_taken(fitting + 1)
    await net.waiting(QUEUE, 7 - fitting)
    engine.end()
    await net.close()


async def test_an_urgent_step_is_taken_at_once_whatever_is_in_hand(net: Net) -> None:
    """However many wait and though nothing has ended; then what is in hand is enough again, and the rest waits on."""
    engine = Engine(2)
    await transcribers(net, 4, engine)
    await engine.has_taken(2)
    urgent = await net.submit(Lane.URGENT, diarize=False)
    await engine.has_taken(4)
    assert {step.job for step in engine.order[2:]} == {urgent.id}
    assert (await net.waiting(QUEUE, 6)).consumers == 4
    engine.end()
    await net.close()


async def test_workers_that_are_all_full_take_an_urgent_job_once_and_nothing_else(net: Net) -> None:
    """Each is told of it and asks for more; what comes to one in its stead goes back, and is neither lost nor begun."""
    engine = Engine(2)
    await transcribers(net, 4, engine, engine)
    await engine.has_taken(4)
    urgent = await net.submit(Lane.URGENT, diarize=False)
    await engine.has_taken(6)
    assert {step.job for step in engine.order[4:]} == {urgent.id}
    await net.waiting(QUEUE, 4)
    await net.stages(usual, Stage.ENHANCER)
    engine.end()
    for _ in range(5):
        await net.until(lambda event: event.happening is Happening.COMPLETED)
    assert len(engine.order) == len(set(engine.order)) == 10


async def test_a_step_that_is_not_above_the_usual_waits_for_its_turn(net: Net) -> None:
    """Nobody is told of it, and it is taken when something has ended."""
    engine = Engine(2)
    await transcribers(net, 4, engine)
    await engine.has_taken(2)
    await net.submit(diarize=False)
    await net.waiting(QUEUE, 8)
    engine.release()
    await engine.has_taken(3)
    await net.waiting(QUEUE, 7)
    engine.end()
    await net.close()


async def test_a_lost_connection_leaves_a_service_that_goes_on_taking(net: Net) -> None:
    """Its consumers come back, what it held is joined and not done twice, and the jobs end."""
    engine = Engine(1)
    await net.stages(usual, Stage.DOWNLOADER, Stage.ENHANCER)
    app = stage_service(Stage.TRANSCRIBER, net.settings, net.parts.blobs, engine, appetite=Appetite(lambda: CAPACITY))
    await net.run(app)
    jobs = [await net.submit(diarize=False) for _ in range(3)]
    await engine.has_taken(4)
    await cut(app)
    engine.end()
    ended = {(await net.until(lambda event: event.happening is Happening.COMPLETED)).job for _ in jobs}
    assert ended == {job.id for job in jobs}
    assert len(engine.order) == len(set(engine.order)) == 9
