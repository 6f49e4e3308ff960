"""Whatever is delivered twice, lost, crashes, is cancelled, replayed or comes out of order: the job ends, once."""

import asyncio
import threading
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from shared import flow
from shared.clock import now
from shared.jobs import moves
from shared.jobs.changes import Moved
from shared.jobs.claims import Rules
from shared.jobs.document import Job
from shared.jobs.replay import replay
from shared.jobs.states import TERMINAL, JobState, StepState
from shared.jobs.step import Step
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.pass_on import pass_on
from shared.mesh.perform import Worker
from shared.mesh.run import Executor
from shared.mesh.work import Work
from shared.messages import Event
from shared.topology import Happening, Lane, Stage
from shared.transcript import Cut, Output, Prepared
from tests.fakes.bench import announce
from tests.fakes.jobs import WINDOW, chunk_text, cut, diarization, heard_piece, new_job, prepared, published
from tests.fakes.post import MemoryPost
from tests.fakes.store import MemoryStore

ATTEMPTS = 3
FAULTS = (
    *("none", "none", "none", "die", "die before passing on", "bug", "later", "give up", "cancel", "twice"),
    *("lose", "replay", "announce", "announce", "announce and die", "announce and stumble", "other bytes"),
)

Choices = st.lists(st.tuples(st.integers(0, 20), st.sampled_from(FAULTS)), min_size=5, max_size=60)


class Died(BaseException):
    """The process was killed here."""


class Fragile(MemoryPost):
    """A post whose process may die at the next publish."""

    doomed = False

    async def event(self, event: Event) -> None:
        """Keep the event, or die."""
        self._live()
        await super().event(event)

    async def step(self, step: Step, lane: Lane) -> None:
        """Keep the step, or die."""
        self._live()
        await super().step(step, lane)

    def _live(self) -> None:
        if self.doomed:
            self.doomed = False
            raise Died


class World:
    """One job, its messages that no worker has acked, and workers that fail as they are told."""

    def __init__(self, chunks: int, pieces: int) -> None:
        self.store, self.post, self.chunks, self.pieces = MemoryStore(), Fragile(), chunks, pieces
        self.bytes = 0
        moved = new_job()
        self.job = moved.job.id
        self.store.jobs[self.job] = moved.job.model_copy(update={"outbox": ()})
        self.queue = list(moved.steps)
        self.unacked = set[Step]()
        self.workers = 0
        self.reopened = 0

    async def deliver(self, place: int, fault: str) -> None:
        """Deliver one waiting message to a fresh worker, which may fail; an unacked message stays."""
        if fault == "replay":
            await self._replay(place)
        if not self.queue:
            return
        step = self.queue.pop(place % len(self.queue))
        self.workers += 1
        self.bytes += fault == "other bytes"
        record = self.store.jobs[self.job].record(step)
        after = record.attempts if record and step not in self.unacked else 0
        try:
            await self._executor(step.stage, fault).run(step, threading.Event(), after=after)
        except Died:
            self.queue.insert(0, step)
            self.unacked.add(step)
        else:
            self.unacked.discard(step)
            if fault == "lose" and self.queue:
                self.queue.pop(place % len(self.queue))
        self.post.doomed = False
        self._collect(twice=fault == "twice")

    def _executor(self, stage: Stage, fault: str) -> Executor:
        rules = Rules(ATTEMPTS, 0.0)
        worker = Worker(
            stage, lambda work: self._do(work, fault), f"w{self.workers}", rules, WINDOW, 5.0, 60.0, self._stand_in
        )
        return Executor(worker, self.store, self.post)

    async def _do(self, work: Work, fault: str) -> Output:
        match fault:
            case "die":
                raise Died
            case "bug":
                raise ValueError(fault)
            case "later":
                raise TryLater(fault)
            case "give up":
                raise GiveUp(fault)
            case "cancel":
                await self._cancel()
            case "die before passing on":
                self.post.doomed = True
            case "announce" | "announce and die" | "announce and stumble" if work.step.stage is Stage.DOWNLOADER:
                await self._announce(work, fault)
        return self._output(work)

    async def _announce(self, work: Work, fault: str) -> None:
        """Announce half of the chunks, work on one of them, and go on or not."""
        self.post.doomed = fault == "announce and stumble"
        await announce(work, cut(*self._digests()[: self.chunks // 2 + 1]))
        self._collect(twice=False)
        await self.deliver(self.workers, "none")
        if fault == "announce and die":
            raise Died

    async def _replay(self, place: int) -> None:
        job = await self.store.find(self.job)
        dead = [Step.of(job.id, key) for key, record in job.steps.items() if record.state is StepState.DEAD]
        moved = replay(job, dead[place % len(dead)], now(), WINDOW) if dead else Moved(job)
        if moved.job is not job:
            assert await self.store.save(job, moved.job) is not None
            await pass_on(self.store, self.post, moved)
            self.reopened += job.state in TERMINAL
            self._collect(twice=False)

    async def sweep(self) -> None:
        """Publish again what is ready and what was never told: the broker has lost every message."""
        job = await self.store.find(self.job)
        await pass_on(self.store, self.post, Moved(job, job.outbox, flow.ready(job, WINDOW)))
        self._collect(twice=False)

    async def _stand_in(self, work: Work) -> Output:
        return self._output(work)

    async def _cancel(self) -> None:
        job = await self.store.find(self.job)
        moved = moves.cancel(job, now(), WINDOW)
        if moved.job is not job:
            saved = await self.store.save(job, moved.job)
            assert saved is not None
            await pass_on(self.store, self.post, Moved(saved, moved.facts))

    def _digests(self) -> tuple[str, ...]:
        return tuple(f"{chunk} of {self.bytes}" for chunk in range(self.chunks))

    def _output(self, work: Work) -> Output:
        step = work.step
        outputs: dict[Stage, Output] = {
            Stage.DOWNLOADER: prepared(self.chunks, self.pieces * flow.PIECE_SECONDS, self._digests()),
            Stage.DIARIZER: heard_piece(step.part) if step.part < self.pieces > 1 else diarization(),
            Stage.ENHANCER: published().model_copy(update={"transcript": sources(work.job)}),
        }
        return outputs.get(step.stage) or chunk_text(step.part, work.outputs(Cut)[0].digests[step.part])

    @property
    def at_rest(self) -> bool:
        """Whether the job has ended and everything was told."""
        job = self.store.jobs[self.job]
        return job.state in TERMINAL and not job.outbox

    def _collect(self, *, twice: bool) -> None:
        fresh = [*self.post.steps, *(step for step, _ in self.post.delayed)]
        self.queue += fresh * (2 if twice else 1)
        self.post.steps.clear()
        self.post.delayed.clear()


def sources(job: Job) -> str:
    """Return what the job's result is to be made of: the attempts that count by the document."""
    return str([job.made(stage) for stage in flow.FLOW[Stage.ENHANCER]])


async def live(chunks: int, pieces: int, choices: list[tuple[int, str]]) -> World:
    """Return the world after the chosen deliveries and then as many quiet ones as it takes."""
    world = World(chunks, pieces)
    for place, fault in choices:
        await world.deliver(place, fault)
    for _ in range(500):
        if not world.queue and world.at_rest:
            return world
        await (world.deliver(0, "none") if world.queue else world.sweep())
    raise AssertionError("the messages never end")


@settings(max_examples=300)
@given(chunks=st.integers(0, 6), pieces=st.integers(1, 5), choices=Choices)
def test_every_job_ends_once_whatever_happens_on_the_way(
    chunks: int, pieces: int, choices: list[tuple[int, str]]
) -> None:
    """The job is terminal, its facts are numbered without a gap, and one ends it, one more after each replay."""
    world = asyncio.run(live(chunks, pieces, choices))
    job = world.store.jobs[world.job]
    assert job.state in TERMINAL
    facts = {event.sequence: event for event in world.post.events if event.happening is not Happening.PROGRESS}
    assert sorted(facts) == list(range(2, job.sequence + 1))
    ends = Counter[Happening](event.happening for event in facts.values() if event.happening is not Happening.SEGMENTS)
    assert ends[Happening(job.state)] >= 1
    assert ends.total() == 1 + world.reopened
    assert ends[Happening.CANCELLED] <= 1
    assert job.outbox == ()


@given(chunks=st.integers(1, 6), pieces=st.integers(1, 5), choices=Choices)
def test_a_completed_job_has_every_chunk_once(chunks: int, pieces: int, choices: list[tuple[int, str]]) -> None:
    """A completed job has the outputs of all its chunks, in order, its voices or a warning, and the result of all."""
    world = asyncio.run(live(chunks, pieces, choices))
    job = world.store.jobs[world.job]
    if job.state is JobState.COMPLETED:
        outputs = asyncio.run(world.store.outputs(job, [Stage.TRANSCRIBER]))[Stage.TRANSCRIBER]
        (made,) = asyncio.run(world.store.outputs(job, [Stage.DOWNLOADER]))[Stage.DOWNLOADER]
        assert isinstance(made, Prepared)
        assert list(outputs) == [chunk_text(part, digest) for part, digest in enumerate(made.digests)]
        voices = asyncio.run(world.store.outputs(job, [Stage.DIARIZER]))[Stage.DIARIZER]
        assert job.facts.transcript == sources(job)
        assert diarization() in voices or any(warning.startswith("the diarizer") for warning in job.warnings)
