"""Replaying a dead letter through the gateway: what is done again leaves the document, but not the history."""

from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock

from services.gateway.dead_letter_office import DeadLetterOffice
from services.gateway.letters import Letter
from shared.clock import now
from shared.jobs.states import JobState
from shared.mesh.outcomes import GiveUp
from shared.messages import Diagnosis
from shared.topology import Stage, step_key
from tests.fakes.bench import Bench, failing, usual
from tests.fakes.jobs import WINDOW


async def test_what_a_replay_does_again_stays_in_the_history() -> None:
    """The first enhancement was committed and so was written nowhere; once it is undone, it is."""
    bench = Bench()
    await bench.run(bench.first[0], usual)
    dead = bench.step(Stage.DIARIZER)
    await bench.run(dead, failing(GiveUp("no voices")))
    await bench.through(*(bench.step(Stage.TRANSCRIBER, part) for part in range(3)))
    office = DeadLetterOffice(None, bench.store, bench.post, WINDOW)  # type: ignore[arg-type]  # no letter is read here
    assert await office._step_again(dead, 1) == "replayed"
    await bench.through(dead)
    enhanced = [entry for entry in await bench.store.history(bench.id) if entry.stage is Stage.ENHANCER]
    assert [(entry.what, entry.attempt) for entry in enhanced] == [("done", 1), ("done", 2)]


async def test_a_letter_is_not_taken_before_its_step_is_dead() -> None:
    """A worker parks it first: replayed in between it stays, for the step that dies then would have no letter."""
    bench, letters, said = Bench(), list[Letter](), list[str]()
    office = DeadLetterOffice(None, bench.store, bench.post, WINDOW)  # type: ignore[arg-type]  # no letter is read here
    park = bench.post.park

    async def parked(body: bytes, why: Diagnosis, **properties: Any) -> None:
        await park(body, why, **properties)
        letters.append(Letter(why, AsyncMock(routing_key=step_key(why.stage), type=None, body=body)))
        said.append((await office._replayed(letters[0])).said)

    bench.post.park = parked  # type: ignore[method-assign]  # a replay that comes in between
    await bench.run(bench.first[0], failing(GiveUp("gone")))
    assert said == ["left where it is: its worker has yet to give the step up; replay it again"]
    taken: Any = letters[0].message.ack
    assert not taken.called
    assert (await office._replayed(letters[0])).said == "replayed"
    assert taken.called


async def test_a_letter_of_a_job_that_has_expired_brings_nothing_back() -> None:
    """The job may be gone in part: it is as good as no longer kept."""
    bench = Bench(retention_days=1)
    dead = bench.first[0]
    await bench.run(dead, failing(GiveUp("gone")))
    bench.store.jobs[bench.id] = bench.job.but(expires=now() - timedelta(seconds=1))
    office = DeadLetterOffice(None, bench.store, bench.post, WINDOW)  # type: ignore[arg-type]  # no letter is read here
    assert await office._step_again(dead, 1) == "nothing to do: its job is no longer kept"
    assert bench.job.state is JobState.FAILED


async def test_a_letter_of_a_step_that_its_job_has_no_more_is_taken() -> None:
    """The job was forgotten, and its id came again: nothing is to be done, and the next letter's turn comes."""
    bench = Bench()
    office = DeadLetterOffice(None, bench.store, bench.post, WINDOW)  # type: ignore[arg-type]  # no letter is read here
    said = await office._step_again(bench.step(Stage.ENHANCER), 1)
    assert said == "nothing to do: the job is accepted, the step not one of it"
