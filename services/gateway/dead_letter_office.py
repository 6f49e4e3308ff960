"""What an operator can do about dead letters: replay them, or drop them."""

from dataclasses import dataclass
from functools import partial

from pydantic import ValidationError

from services.gateway.letters import DeadLetters, Letter, Wanted
from shared import flow
from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.history import Entry, committed
from shared.jobs.replay import replay
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.jobs.store import JobStore, NoSuchJob, change
from shared.mesh.pass_on import pass_on
from shared.mesh.post import AmqpPost
from shared.messages import StepMessage
from shared.topology import CANCEL_KEY, JOBS, SUBMIT_KEY

GONE = "nothing to do: its job is no longer kept"


class NoSuchLetter(Exception):
    """There is no dead letter of that name."""

    def __init__(self, letter: str) -> None:
        super().__init__(f"no dead letter {letter}; it was replayed, dropped, or never there")


class NotYetDead(Exception):
    """A worker has parked the letter, and has not written yet that the step is dead."""

    def __init__(self) -> None:
        super().__init__("left where it is: its worker has yet to give the step up; replay it again")


@dataclass(frozen=True)
class Handled:
    """What was done about a letter, in words."""

    letter: Letter
    said: str


@dataclass(frozen=True)
class DeadLetterOffice:
    """Acts on the wanted letters, oldest first; takes each out of its queue only once the effect is safe."""

    letters: DeadLetters
    store: JobStore
    post: AmqpPost
    window: int

    async def found(self, wanted: Wanted, limit: int) -> list[Letter]:
        """Return the wanted letters, and leave them where they are."""
        async with self.letters.reading(wanted, limit) as letters:
            return letters

    async def one(self, name: str) -> Letter:
        """Return the letter of that name, and leave it; raise NoSuchLetter."""
        found = await self.found(Wanted(letter=name), 1)
        if not found:
            raise NoSuchLetter(name)
        return found[0]

    async def replay(self, wanted: Wanted, limit: int, *, dry_run: bool) -> list[Handled]:
        """Try again what the letters were about, with the options of their jobs; a second time changes nothing."""
        async with self.letters.reading(wanted, limit) as letters:
            if dry_run:
                return [Handled(letter, "would be replayed") for letter in letters]
            return [await self._replayed(letter) for letter in letters]

    async def drop(self, wanted: Wanted, limit: int, *, dry_run: bool) -> list[Handled]:
        """Take the letters out for good; their jobs stay as they are."""
        async with self.letters.reading(wanted, limit) as letters:
            if dry_run:
                return [Handled(letter, "would be dropped") for letter in letters]
            for letter in letters:
                await letter.take()
            return [Handled(letter, "dropped") for letter in letters]

    async def _replayed(self, letter: Letter) -> Handled:
        step = _step(letter)
        try:
            said = await (self._sent_again(letter) if step is None else self._step_again(step, letter.why.attempts))
        except NotYetDead as early:
            return Handled(letter, str(early))
        await letter.take()
        return Handled(letter, said)

    async def _sent_again(self, letter: Letter) -> str:
        await self.post.publish(JOBS.name, letter.subject, letter.message.body, **letter.properties)
        return "sent again as it came"

    async def _step_again(self, step: Step, attempt: int) -> str:
        """Queue the step again that was given up on in that attempt; raise NotYetDead if the document lags behind."""
        try:
            job = await self.store.find(step.job)
        except NoSuchJob:
            return GONE
        if job.expired(now()):
            return GONE
        await self.store.remember(committed(job))  # what is done again is no longer in the document
        moved, job = await change(self.store, job, partial(replay, step=step, now=now(), window=self.window))
        # Also after a crash between the two: what was queued but not published is published now.
        await pass_on(self.store, self.post, Moved(job, steps=flow.unposted(job, self.window)))
        if not moved.steps:
            record = job.record(step)
            if record and record.state is StepState.RUNNING and record.attempts == attempt:
                raise NotYetDead
            return f"nothing to do: the job is {job.state}, the step {record.state if record else 'not one of it'}"
        await self.store.remember(
            [Entry(job=job.id, what="replayed", at=now(), reason=f"{step.key} from its dead letter")]
        )
        return "replayed"


def _step(letter: Letter) -> Step | None:
    if letter.subject in (SUBMIT_KEY, CANCEL_KEY):
        return None
    try:
        return StepMessage.model_validate_json(letter.message.body).step()
    except ValidationError:
        return None
