"""The appetite: one step more while an engine would otherwise rest."""

from contextlib import ExitStack

import pytest

from shared.jobs.step import Step
from shared.mesh.appetite import MOST_IN_HAND, Appetite
from shared.topology import Stage


def step(number: int) -> Step:
    """Return the first chunk of a job."""
    return Step(f"job-{number}", Stage.TRANSCRIBER)


def test_nothing_is_taken_beside_the_first_step_before_that_is_weighed() -> None:
    """Nobody knows yet what a step weighs."""
    appetite = Appetite(lambda: 8)
    assert not appetite.room(1)
    with appetite.taken(step(1)):
        assert not appetite.room(1)
        appetite.weigh(step(1), 1)
        assert appetite.room(1)


def test_a_step_that_is_not_weighed_yet_counts_as_the_last_one_did() -> None:
    """Several are on their way at once, but no more than would fit if all are alike."""
    appetite = Appetite(lambda: 8)
    with ExitStack() as taken:
        for number, room in ((1, True), (2, False)):
            taken.enter_context(appetite.taken(step(number)))
            appetite.weigh(step(1), 3)
            assert appetite.room(number) == room
        assert not appetite.room(2)


def test_a_message_that_has_only_just_come_counts_as_the_last_step_did() -> None:
    """Between its delivery and the start of its work nothing more is taken in its place."""
    appetite = Appetite(lambda: 2)
    with appetite.taken(step(1)):
        appetite.weigh(step(1), 1)
        assert appetite.room(1)
        assert not appetite.room(2)


@pytest.mark.parametrize(("weight", "fitting"), [(1, 8), (2, 4), (3, 2), (7, 1), (20, 1)])
def test_as_many_steps_are_taken_as_could_be_begun_at_once_but_one_always(weight: int, fitting: int) -> None:
    """A batch of eight windows has room for eight short jobs, or for one long chunk, however long."""
    appetite, taken = Appetite(lambda: 8), 0
    with ExitStack() as opened:
        while appetite.room(taken):
            opened.enter_context(appetite.taken(step(taken)))
            appetite.weigh(step(taken), weight)
            taken += 1
    assert taken == fitting


def test_nothing_is_taken_for_an_engine_that_has_enough_to_do() -> None:
    """What waits with the broker can still be overtaken; when the engine becomes free, whoever listens is told."""
    free, told = [0], list[bool]()
    appetite = Appetite(lambda: free[0])
    appetite.listen(lambda: told.append(appetite.room(1)))
    with appetite.taken(step(1)):
        appetite.weigh(step(1), 2)
        appetite.weigh(step(1), 0)  # all of it has been begun
        free[0] = 2
        appetite.changed()
    assert told == [False, False, False, True]


def test_what_the_engine_has_done_takes_no_room() -> None:
    """While one step's result is committed, the engine is offered the next step."""
    appetite = Appetite(lambda: 4)
    with appetite.taken(step(1)):
        appetite.weigh(step(1), 4)
        assert not appetite.room(1)
        appetite.release(step(1))
        assert appetite.room(1)


def test_a_stage_without_an_engine_takes_one_after_the_other() -> None:
    """Nothing weighs anything, and there is never room for more than the subscription brings by itself."""
    assert not Appetite().room(0)


def test_a_step_with_nothing_to_hear_does_not_open_the_door_to_any_number() -> None:
    """A silent chunk weighs nothing; the steps behind it still count until they are weighed themselves."""
    appetite = Appetite(lambda: 2)
    with ExitStack() as taken:
        taken.enter_context(appetite.taken(step(0)))
        appetite.weigh(step(0), 0)
        count = 0
        while appetite.room(1 + count) and count < 10:
            count += 1
            taken.enter_context(appetite.taken(step(count)))
    assert count == 2


def test_nothing_is_taken_beside_a_step_that_is_worked_on_alone() -> None:
    """What would only wait at the door stays with the broker, where others can take it."""
    appetite = Appetite(lambda: 2)
    with appetite.taken(step(1)):
        appetite.weigh(step(1), 1)
        with appetite.closed():
            assert not appetite.room(1)
        assert appetite.room(1)


def test_what_cannot_be_passed_on_ends_the_taking() -> None:
    """A broker that confirms nothing more leaves steps in hand that the engine has done: only so many of them."""
    appetite = Appetite(lambda: 2)
    with ExitStack() as taken:
        for number in range(MOST_IN_HAND):
            assert appetite.room(number)
            taken.enter_context(appetite.taken(step(number)))
            appetite.weigh(step(number), 1)
            appetite.release(step(number))
        assert not appetite.room(MOST_IN_HAND)
