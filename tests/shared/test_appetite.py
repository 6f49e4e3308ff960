"""The appetite: one step more while an engine would otherwise rest."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from shared.jobs.document import Job
from shared.jobs.step import Step
from shared.mesh.appetite import MOST_IN_HAND, Appetite
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.work import Work
from shared.topology import Lane, Stage
from shared.transcript import Output
from tests.fakes.bench import Bench, usual


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


def test_behind_a_light_step_no_more_heavy_ones_are_taken_than_behind_a_heavy_one() -> None:
    """The last chunk of a recording is light; of the whole ones that follow, each counts as one until it is weighed."""
    appetite = Appetite(lambda: 4)
    with appetite.taken(step(1)), appetite.taken(step(2)), appetite.taken(step(3)):
        for number, weight in ((1, 8), (2, 1)):
            appetite.weigh(step(number), weight)
            appetite.release(step(number))
        assert not appetite.room(3)
        appetite.weigh(step(3), 1)
        assert appetite.room(3)


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


@pytest.mark.parametrize("failure", [None, GiveUp("never"), TryLater("not now")])
async def test_a_step_whose_stage_has_ended_takes_no_room_while_its_end_is_committed(
    failure: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it ended: the engine would rest until database and broker have answered."""
    bench, appetite, rooms = Bench(), Appetite(lambda: 4), list[bool]()
    first, save = bench.first[0], bench.store.save

    async def do(work: Work) -> Output:
        work.weigh(4)
        rooms.append(appetite.room(1))
        if failure:
            raise failure
        return await usual(work)

    async def saved(before: Job, after: Job) -> Job | None:
        rooms.append(appetite.room(1))
        return await save(before, after)

    monkeypatch.setattr(bench.store, "save", saved)
    with appetite.taken(first):
        await bench.run(first, do, appetite=appetite)
    assert rooms[-2:] == [False, True]


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


@pytest.fixture
def overtaken() -> Iterator[Appetite]:
    """Yield what knows of an engine with nothing free, batches of two, and a normal step of three windows in hand."""
    appetite = Appetite(lambda: 0, lambda: 2)
    with appetite.taken(step(0), Lane.NORMAL):
        appetite.weigh(step(0), 3)
        yield appetite


def test_there_is_room_for_what_overtakes_all_in_hand(overtaken: Appetite) -> None:
    """An urgent step is at hand when a stream comes free, and need not wait until what is left of a chunk is done."""
    assert not overtaken.room(1)
    overtaken.overtake(Lane.URGENT)
    assert overtaken.room(1)


def test_no_more_than_a_batch_of_what_overtakes_is_taken(overtaken: Appetite) -> None:
    """Other workers can have the rest; as soon as some of it is begun, there is room for more."""
    overtaken.overtake(Lane.URGENT)
    with overtaken.taken(step(1), Lane.URGENT):
        overtaken.weigh(step(1), 1)
        assert overtaken.room(2)
        with overtaken.taken(step(2), Lane.URGENT):
            overtaken.weigh(step(2), 1)
            assert not overtaken.room(3)
            overtaken.weigh(step(1), 0)
            assert overtaken.room(3)


def test_a_message_of_a_lower_lane_ends_the_overtaking(overtaken: Appetite) -> None:
    """The broker gives the highest lane first: others have what overtakes, and what is in hand is enough."""
    overtaken.overtake(Lane.URGENT)
    assert not overtaken.late(Lane.URGENT, 1)
    assert overtaken.late(Lane.NORMAL, 1)
    assert not overtaken.room(1)


def test_a_message_of_a_lower_lane_is_welcome_where_there_is_room_for_it(overtaken: Appetite) -> None:
    """A worker that was told of urgent steps may have begun all that it had since."""
    overtaken.overtake(Lane.URGENT)
    overtaken.weigh(step(0), 0)
    overtaken._free = lambda: 4
    assert not overtaken.late(Lane.NORMAL, 1)


def test_what_is_only_high_overtakes_what_is_normal_when_nothing_urgent_is_left(overtaken: Appetite) -> None:
    """Told of both, in whatever order, a worker makes room for the higher lane first."""
    overtaken.overtake(Lane.HIGH)
    with overtaken.taken(step(1), Lane.HIGH):
        overtaken.weigh(step(1), 1)
        overtaken.overtake(Lane.URGENT)
        overtaken.overtake(Lane.HIGH)
        assert overtaken.room(2)
        assert not overtaken.late(Lane.HIGH, 2)
        assert overtaken.late(Lane.NORMAL, 2)
