"""The executor: the one place that claims a step, performs it, commits the outcome and passes on what follows."""

import logging
import threading
from contextlib import suppress
from datetime import timedelta
from functools import partial

from shared import flow, telemetry
from shared.clock import now
from shared.jobs import history, moves
from shared.jobs.changes import Moved, Stale
from shared.jobs.claims import Busy, Claim, Claimed, Crashed, Early, Settled, claim
from shared.jobs.document import Job, StepRecord
from shared.jobs.inline import inlined
from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.jobs.store import JobStore, NoSuchJob, change
from shared.mesh.diagnosed import given_up
from shared.mesh.outcomes import Again, Dead, Done, Left, Outcome
from shared.mesh.pass_on import pass_on
from shared.mesh.perform import Held, Reports, Worker, perform
from shared.mesh.post import Post
from shared.mesh.progress import progress, step_done
from shared.mesh.quarantine import Quarantine
from shared.messages import StepMessage
from shared.topology import LADDER, rung_for
from shared.transcript import Cut

log = logging.getLogger(__name__)

COMMITTED = {Done: StepState.DONE, Dead: StepState.DEAD, Again: StepState.QUEUED, Left: StepState.QUEUED}
"""Where a step is once its attempt's outcome is in the document, though the answer to that write was lost."""

STOPPED = "the worker was stopped"
"""Why a step is queued again that its attempt left."""


class Draining(Exception):
    """The process is going down and gave the step back; its message goes back to the queue."""


class Suspect(Exception):
    """The step has crashed a worker before: it must be worked on alone."""


class Executor:
    """Turns a step into its effects, once, however often it is asked for."""

    def __init__(self, worker: Worker, store: JobStore, post: Post) -> None:
        self._worker, self._store, self._post = worker, store, post
        self._quarantine = Quarantine()

    async def run(self, step: Step, stop: threading.Event, *, after: int = 0) -> bool:
        """Claim the step, perform it, commit the outcome and pass on what follows; return whether it is on the ladder.

        `after` is the attempt after which its message waited on the ladder, 0 if it comes from elsewhere or only looks
        again: a step that waits there after another attempt is not begun by it.
        Raises Draining if the step was given back, and whatever database and broker raise: then nothing is acked.
        """
        with telemetry.logged_as(job=step.job, stage=step.stage, part=step.part):
            # Not in an `except`: every traceback of the run alone would begin with the suspicion.
            with suppress(Suspect):
                async with self._quarantine.entered(alone=False):
                    return await self._run(step, stop, alone=False, after=after)
            with self._worker.appetite.closed():
                async with self._quarantine.entered(alone=True):
                    return await self._run(step, stop, alone=True, after=after)

    async def _run(self, step: Step, stop: threading.Event, *, alone: bool, after: int) -> bool:
        try:
            claimed, job = await self._claim(step, alone=alone, after=after)
        except NoSuchJob:
            log.warning("a message asks for a job that is not stored; dropped")
            return False
        if isinstance(claimed, Claimed):
            return await self._work_on(Held(job, step, claimed.attempt, claimed.exhausted, claimed.bare), stop)
        return await self._decline(step, job, claimed)

    async def _work_on(self, held: Held, stop: threading.Event) -> bool:
        with telemetry.logged_as(tenant=held.job.tenant, attempt=held.attempt):
            outcome = await self._perform(held, stop)
            moved = await self._commit(held, outcome)
            await self._pass_on(held, outcome, moved)
            return moved is not None and isinstance(outcome, Again)

    async def announce(self, held: Held, part: Cut) -> None:
        """Keep a part of what the attempt makes and queue what can be done with it already.

        Raises Stale if the attempt no longer holds its step, and whatever database and broker raise.
        """
        step, attempt, window = held.step, held.attempt, self._worker.window
        await self._store.put_output(step, attempt, part)
        say = partial(moves.announce, step=step, attempt=attempt, cut=part, now=now(), window=window)
        moved, job = await change(self._store, await self._store.find(step.job), say)
        await self._store.remember(moved.undone)
        await pass_on(self._store, self._post, Moved(job, moved.facts, moved.steps))

    async def _claim(self, step: Step, *, alone: bool, after: int) -> tuple[Claim, Job]:
        """Return what became of asking for the step, and the job as it is stored now; raise NoSuchJob, Suspect."""
        ask = partial(_asked, step=step, worker=self._worker, alone=alone, after=after)
        known = self._store.claimable(step)
        # Only a claim shows a document out of date: that there is nothing to claim yet is for a fresh one to say.
        job = known if known and not flow.awaits(known, step) else await self._store.find(step.job)
        claimed, job = await change(self._store, job, ask)
        if isinstance(claimed, Claimed | Crashed) and claimed.lost:
            await self._store.remember([claimed.lost])
        return claimed, job

    async def _decline(self, step: Step, job: Job, claimed: Crashed | Busy | Early | Settled) -> bool:
        """Do what a step that is not to be worked on now still needs; return whether it is on the ladder."""
        match claimed:
            case Crashed(delay=delay, attempt=attempt):
                log.warning("its worker ended without a word; tried again in %s s", delay)
                await self._post.later(step, job.lane, delay, after=attempt)
            case Busy(worker=other):
                log.info("held by %s; looking again later", other)
                await self._post.later(step, job.lane, LADDER[0].seconds, after=0)
            case Early(delay=delay):
                log.info("its message has come again; looking again in %.0f s, when its time has come", delay)
                await self._post.later(step, job.lane, delay, after=0)
            case Settled():
                unposted = flow.unposted(job, self._worker.window)
                await pass_on(self._store, self._post, Moved(job, job.outbox, unposted))
                return False
        return True

    async def _perform(self, held: Held, stop: threading.Event) -> Outcome:
        async def tell(fraction: float) -> None:
            for event in progress(held.job, held.step, fraction):
                await self._post.event(event)

        reports = Reports(tell, partial(self.announce, held))
        return await perform(held, self._worker, self._store, reports, stop)

    async def _commit(self, held: Held, outcome: Outcome) -> Moved | None:
        step, attempt = held.step, held.attempt
        output = outcome.output if isinstance(outcome, Done | Dead) else None
        if output is not None and inlined(output) is None:
            await self._store.put_output(step, attempt, output)
        if isinstance(outcome, Dead):
            await self._park(held, outcome)
        try:
            moved, job = await change(self._store, held.job, partial(self._move, held, outcome))
        except Stale as stale:
            return await self._stale(held, outcome, stale)
        await self._store.remember(moved.undone)
        await self._note(held, type(outcome).__name__.lower(), getattr(outcome, "reason", None))
        return Moved(job, moved.facts, moved.steps)

    async def _stale(self, held: Held, outcome: Outcome, stale: Stale) -> Moved | None:
        """Discard what the attempt made, unless the document says that its outcome has been committed already."""
        job = await self._store.find(held.step.job)
        if _committed(job.steps[held.step.key], held, outcome):
            return Moved(job, job.outbox, flow.unposted(job, self._worker.window))
        # While chunks are announced, somebody may be about to read what this attempt has said of them.
        if job.announced is None or held.step.stage in flow.EARLY:
            await self._store.drop_output(held.step, held.attempt)
        await self._note(held, "stale", str(stale))
        return None

    async def _note(self, held: Held, what: str, reason: str | None) -> None:
        if what != "done":  # which the document itself says
            await self._store.remember([history.ended(held.job, held.step, what, reason, now())])
        telemetry.STEPS.labels(held.step.stage, what).inc()
        log.log(logging.WARNING if reason else logging.INFO, what, extra={"reason": reason})

    def _move(self, held: Held, outcome: Outcome, job: Job) -> Moved:
        step, attempt, window = held.step, held.attempt, self._worker.window
        match outcome:
            case Done(output=output):
                return moves.commit(job, step, attempt, output, now(), window)
            case Dead(reason=reason, output=output):
                return moves.bury(job, step, attempt, reason, output, now(), window)
            case Again(reason=reason, delay=delay):
                due = now() + timedelta(seconds=rung_for(delay).seconds)  # as long as its message will wait
                return moves.release(job, step, attempt, reason, now(), due=due, spent=True)
            case Left():
                return moves.release(job, step, attempt, STOPPED, now(), due=None, spent=False)

    async def _pass_on(self, held: Held, outcome: Outcome, moved: Moved | None) -> None:
        if moved is None:
            return
        told = step_done(moved.job, held.step) if isinstance(outcome, Done) else ()
        await pass_on(self._store, self._post, moved, told)
        match outcome:
            case Again(delay=delay):
                await self._post.later(held.step, held.job.lane, delay, after=held.attempt)
            case Left():
                raise Draining

    async def _park(self, held: Held, dead: Dead) -> None:
        body = StepMessage.of(held.step).model_dump_json().encode()
        name = f"{held.step}/{held.attempt}"
        why = given_up(held, dead, self._worker.name, now())
        await self._post.park(body, why, priority=held.job.lane, message_id=name)


def _asked(job: Job, step: Step, worker: Worker, *, alone: bool, after: int) -> Claim:
    """Return what becomes of the worker asking for the step; raise Suspect if it is not alone and ought to be."""
    claimed = claim(job, step, worker.name, now(), worker.rules, after=after)
    if isinstance(claimed, Claimed) and job.crashed(step) and not alone:
        raise Suspect
    return claimed


def _committed(record: StepRecord, held: Held, outcome: Outcome) -> bool:
    """Whether the record says of the attempt what its outcome says.

    A step is also queued, with the same attempt, once another has taken this worker for dead.
    """
    reason = STOPPED if isinstance(outcome, Left) else getattr(outcome, "reason", None)
    said = record.attempts, record.state, record.error
    return said == (held.attempt, COMMITTED[type(outcome)], reason)
