"""The appetite: one step more as long as what is in hand leaves room for another like the last."""

from contextlib import ExitStack

import pytest

from shared.jobs.step import Step
from shared.mesh.appetite import Appetite
from shared.topology import Stage


def step(number: int) -> Step:
    """Return the first chunk of a job."""
    return Step(f"job-{number}", Stage.TRANSCRIBER)


def test_a_step_that_nobody_has_weighed_leaves_no_room() -> None:
    """Steps are taken one after the other: the next only when it is known what the last one takes."""
    appetite = Appetite(lambda: 8)
    with appetite.taken(step(1)):
        assert not appetite.room
        appetite.weigh(step(1), 1)
        assert appetite.room


@pytest.mark.parametrize(("weight", "fitting"), [(1, 8), (2, 4), (3, 2), (7, 1), (20, 1)])
def test_as_many_steps_are_taken_as_fit_at_once_but_one_always(weight: int, fitting: int) -> None:
    """Eight windows at once are eight short jobs, or one long chunk, however long."""
    appetite, taken, opened = Appetite(lambda: 8), 0, ExitStack()
    while appetite.room or not taken:
        opened.enter_context(appetite.taken(step(taken)))
        appetite.weigh(step(taken), weight)
        taken += 1
    assert taken == fitting


def test_what_the_engine_has_done_takes_no_room() -> None:
    """While one step's result is committed, the engine is offered the next step; whoever listens is told."""
    appetite, told = Appetite(lambda: 4), list[bool]()
    with appetite.taken(step(1)):
        appetite.weigh(step(1), 4)
        appetite.changed = lambda: told.append(appetite.room)
        appetite.release(step(1))
    assert told == [True]


def test_a_stage_without_an_engine_takes_one_after_the_other() -> None:
    """Nothing weighs anything, and there is never room for more than the subscription brings by itself."""
    assert not Appetite().room
