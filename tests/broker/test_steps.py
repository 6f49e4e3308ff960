"""Steps over a real broker and database: acked last, redelivered, retried, parked, cancelled, drained."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from faststream import FastStream
from faststream.rabbit import RabbitBroker

from shared import flow
from shared.clock import now
from shared.jobs import moves
from shared.jobs.changes import Moved
from shared.jobs.states import JobState, StepState
from shared.jobs.step import Step
from shared.jobs.store import change
from shared.mesh.outcomes import GiveUp, Stopped, TryLater
from shared.mesh.pass_on import pass_on
from shared.mesh.post import AFTER
from shared.mesh.settle import TRIES
from shared.mesh.stage import stage_service
from shared.mesh.work import Work
from shared.messages import Diagnosis, StepMessage
from shared.topology import JOBS, LADDER, PREFETCH, Happening, Lane, Stage, retry_queue, step_key, work_queue
from shared.transcript import HeardPiece, Output
from tests.broker.conftest import Net
from tests.fakes.jobs import chunk_text, diarization, heard_piece, prepared, published

pytestmark = pytest.mark.broker

WORKING = (Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.DIARIZER, Stage.ENHANCER)


async def usual(work: Work) -> Output:
    """Do what the stage does, as data."""
    outputs: dict[Stage, Output] = {
        Stage.DOWNLOADER: prepared(),
        Stage.DIARIZER: diarization(),
        Stage.ENHANCER: published(),
    }
    return outputs.get(work.step.stage) or chunk_text(work.step.part)


def waiting_for(going: asyncio.Event, go: asyncio.Event, runs: Counter[Step]) -> Callable[[Work], Awaitable[Output]]:
    """Return a stage that says when it works and waits until it may end."""

    async def do(work: Work) -> Output:
        runs[work.step] += 1
        going.set()
        await go.wait()
        return await usual(work)

    return do


async def cut(app: FastStream) -> None:
    """Break the connection on which the service consumes, as a network would."""
    assert isinstance(app.broker, RabbitBroker)
    connection = app.broker._connection
    assert connection is not None
    assert connection.transport is not None
    await connection.transport.connection.close(ConnectionResetError("cut"))


async def test_a_job_goes_from_its_first_message_to_completed(net: Net) -> None:
    """Four services that know only their queues carry a job to its end, each fact told once and in order."""
    await net.stages(usual, *WORKING)
    job = await net.submit()
    assert (await net.ended(job)).happening is Happening.COMPLETED
    facts = [event.sequence for event in net.events if event.happening is not Happening.PROGRESS]
    assert facts == list(range(1, 6))
    assert (await net.parts.store.find(job.id)).state is JobState.COMPLETED


async def test_the_pieces_of_a_long_recording_meet_in_the_join(net: Net) -> None:
    """The diarizer's pieces come first, and the join alone is given what they made, from the database, in order."""
    joined: list[list[HeardPiece]] = []

    async def do(work: Work) -> Output:
        if work.step.stage is Stage.DOWNLOADER:
            return prepared(1, 3 * flow.PIECE_SECONDS)
        if work.step.stage is Stage.DIARIZER and not flow.joins(work.job, work.step):
            assert work.outputs(HeardPiece) == []
            return heard_piece(work.step.part)
        joined.extend([work.outputs(HeardPiece)] if work.step.stage is Stage.DIARIZER else [])
        return await usual(work)

    await net.stages(do, *WORKING)
    job = await net.submit()
    assert (await net.ended(job)).happening is Happening.COMPLETED
    assert joined == [[heard_piece(part) for part in range(3)]]
    fractions = [event.body["stage_fraction"] for event in net.events if event.body.get("stage") == Stage.DIARIZER]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


async def test_a_step_is_not_acked_before_it_is_committed(net: Net) -> None:
    """While the stage works, the broker still holds its message."""
    going, go = asyncio.Event(), asyncio.Event()
    settings = net.settings.model_copy(update={"grace": 0.5})
    do = waiting_for(going, go, Counter())
    await net.run(stage_service(Stage.DOWNLOADER, settings, net.parts.blobs, do))
    await net.submit()
    await going.wait()
    await net.close()
    await net.waiting(work_queue(Stage.DOWNLOADER).name, 1)
    go.set()


async def test_a_duplicate_message_joins_the_run_that_is_under_way(net: Net) -> None:
    """Two messages for one step at once make one run and one commit."""
    going, go, runs = asyncio.Event(), asyncio.Event(), Counter[Step]()
    await net.stages(waiting_for(going, go, runs), Stage.DOWNLOADER)
    job = await net.submit()
    await net.parts.post.step(Step(job.id, Stage.DOWNLOADER), Lane.NORMAL)
    await going.wait()
    await net.waiting(work_queue(Stage.DOWNLOADER).name, 0)
    go.set()
    await net.until(lambda event: event.happening is Happening.PROGRESS)
    await net.stages(usual, Stage.TRANSCRIBER, Stage.DIARIZER, Stage.ENHANCER)
    await net.ended(job)
    assert runs == {Step(job.id, Stage.DOWNLOADER): 1}


async def test_a_failing_step_comes_back_from_the_ladder_and_is_then_parked(net: Net) -> None:
    """A bug is tried again after the first rung, then its message is a dead letter with the diagnosis."""
    runs = Counter[Step]()

    async def broken(work: Work) -> Output:
        runs[work.step] += 1
        raise ValueError("a bug")

    await net.stages(broken, Stage.DOWNLOADER)
    job = await net.submit()
    assert (await net.ended(job)).happening is Happening.FAILED
    letter = await net.dead_letter(Stage.DOWNLOADER)
    why = Diagnosis.read(letter.headers)
    assert StepMessage.model_validate_json(letter.body).step() == Step(job.id, Stage.DOWNLOADER)
    assert (why.job, why.attempts, why.exception) == (job.id, 2, "ValueError")
    assert runs.total() == 2


async def test_what_is_given_up_on_is_not_tried_again(net: Net) -> None:
    """GiveUp fails the job at once, with the reason in its event."""

    async def refuses(work: Work) -> Output:
        raise GiveUp(f"no such file for {work.job.tenant}")

    await net.stages(refuses, Stage.DOWNLOADER)
    job = await net.submit()
    event = await net.ended(job)
    assert event.body["error"] == "the downloader gave up: no such file for acme"


async def test_a_message_that_is_no_step_is_parked_exactly_and_the_queue_goes_on(net: Net) -> None:
    """Rubbish in a work queue becomes a dead letter with the same bytes; the next job is not held up."""
    await net.stages(usual, *WORKING)
    await net.parts.post.publish(JOBS.name, step_key(Stage.TRANSCRIBER), b"\xff{rubbish")
    job = await net.submit()
    letter = await net.dead_letter(Stage.TRANSCRIBER)
    assert letter.body == b"\xff{rubbish"
    assert "not a message of the mesh" in Diagnosis.read(letter.headers).reason
    assert (await net.ended(job)).happening is Happening.COMPLETED


async def test_a_cancel_stops_the_work_at_once(net: Net) -> None:
    """The control exchange reaches the running stage long before its heartbeat would, and nothing is committed."""
    going, stopped = asyncio.Event(), threading.Event()

    async def long(work: Work) -> Output:
        going.set()
        if await asyncio.to_thread(work.stop.wait, 120):
            stopped.set()
        raise Stopped(str(work.step))

    settings = net.settings.model_copy(update={"heartbeat": 300.0, "heartbeat_lost": 900.0})
    await net.run(stage_service(Stage.DOWNLOADER, settings, net.parts.blobs, long))
    job = await net.submit()
    await going.wait()
    job = await net.parts.store.find(job.id)
    moved, job = await change(net.parts.store, job, lambda job: moves.cancel(job, now(), 2))
    await pass_on(net.parts.store, net.parts.post, Moved(job, moved.facts))
    assert (await net.ended(job)).happening is Happening.CANCELLED
    assert await asyncio.to_thread(stopped.wait, 60)
    assert (await net.parts.store.find(job.id)).steps["downloader-0"].state is StepState.DROPPED


async def test_a_drain_gives_back_what_cannot_end_in_time(net: Net) -> None:
    """SIGTERM's path: no new message, the running step stopped and queued again at no attempt's cost."""
    going = asyncio.Event()

    async def long(work: Work) -> Output:
        going.set()
        await asyncio.to_thread(work.stop.wait, 120)
        raise Stopped(str(work.step))

    settings = net.settings.model_copy(update={"grace": 0.5})
    app = stage_service(Stage.DOWNLOADER, settings, net.parts.blobs, long)
    await app.start()
    job = await net.submit()
    await going.wait()
    await app.stop()
    record = (await net.parts.store.find(job.id)).steps["downloader-0"]
    assert (record.state, record.tries) == (StepState.QUEUED, 0)
    await net.stages(usual, *WORKING)
    assert (await net.ended(job)).happening is Happening.COMPLETED


@pytest.mark.parametrize("headers", [{AFTER: 0}, {TRIES: 1}, {}], ids=["looks again", "not handled", "published twice"])
async def test_only_its_own_message_takes_a_step_from_the_ladder(net: Net, headers: dict[str, int]) -> None:
    """Any other one costs no attempt, and waits beside the step's own message."""
    ladder = retry_queue(LADDER[-1]).name

    async def not_now(work: Work) -> Output:
        raise TryLater(str(work.step), LADDER[-1].seconds)

    await net.stages(not_now, Stage.DOWNLOADER)
    job = await net.submit()
    await net.waiting(ladder, 1)
    body = StepMessage(job=job.id, stage=Stage.DOWNLOADER).model_dump_json()
    await net.parts.post.publish(JOBS.name, step_key(Stage.DOWNLOADER), body, headers=headers)
    await net.waiting(ladder, 2)
    assert (await net.parts.store.find(job.id)).steps["downloader-0"].attempts == 1


async def test_an_urgent_step_overtakes_the_waiting_ones(net: Net) -> None:
    """Of all the steps that wait, the urgent lane's is among those taken first, however late it came."""
    order = list[str]()

    async def noted(work: Work) -> Output:
        order.append(work.job.id)
        return await usual(work)

    for _ in range(3):
        await net.submit()
    urgent = await net.submit(Lane.URGENT)
    await net.stages(noted, Stage.DOWNLOADER)
    await net.until(lambda event: event.job == urgent.id and event.happening is Happening.PROGRESS)
    assert urgent.id in order[: PREFETCH[Stage.DOWNLOADER]]  # a worker holds that many at once, in no order
