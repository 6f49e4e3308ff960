"""Which windows go next: nothing lost, nothing twice, lanes first, jobs in turn, chunks whole where that can be."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from services.transcriber.waiting import ChunkName, Waiting


@dataclass(frozen=True, eq=False)
class Item:
    """Something that waits."""

    job: str = "a"
    number: int = 0
    lane: int = 1
    kind: str = "usual"

    @property
    def chunk(self) -> ChunkName:
        """The chunk it belongs to."""
        return self.job, self.number


LANES = {"a": 1, "b": 1, "c": 2, "d": 0}
ITEMS = st.builds(
    lambda job, number, kind: Item(job, number, LANES[job], kind),
    st.sampled_from("abcd"),
    st.integers(0, 2),
    st.sampled_from(["usual", "hinted"]),
)


def filled(*items: Item) -> Waiting[Item]:
    """Return what waits."""
    waiting = Waiting[Item]()
    for item in items:
        waiting.add(item)
    return waiting


def drained(waiting: Waiting[Item], width: int) -> list[list[Item]]:
    """Return all batches until nothing waits."""
    return list(iter(lambda: waiting.take(width), []))


@given(st.lists(st.one_of(ITEMS, st.integers(1, 5))), st.integers(1, 5))
def test_every_window_goes_once_in_batches_of_one_kind_led_by_the_highest_lane(
    happenings: list[Item | int], width: int
) -> None:
    """Whatever comes whenever, with failures put back: each batch fits, leads with the best lane, and all go once."""
    waiting, left, gone = Waiting[Item](), list[Item](), list[Item]()

    def take(width: int) -> list[Item]:
        batch = waiting.take(width)
        assert len(batch) <= width
        assert len({item.kind for item in batch}) <= 1
        assert bool(batch) == bool(left)
        assert not batch or batch[0].lane == max(item.lane for item in left)
        assert [item.lane for item in batch] == sorted((item.lane for item in batch), reverse=True)
        for item in batch:
            left.remove(item)
        return batch

    for happening in happenings:
        if isinstance(happening, Item):
            waiting.add(happening)
            left.append(happening)
        elif happening == 5:
            again = take(width)
            waiting.put_back(again)
            left += again
        else:
            gone += take(happening)
    while left:
        gone += take(width)
    assert sorted(map(id, gone)) == sorted(id(each) for each in happenings if isinstance(each, Item))
    assert not waiting


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_windows_of_a_chunk_keep_their_order(numbers: list[int]) -> None:
    """What is asked for first is heard first, so a chunk's progress is even."""
    items = [Item(number=number) for number in numbers]
    heard = [item for batch in drained(filled(*items), 2) for item in batch]
    for number in set(numbers):
        assert [each for each in heard if each.number == number] == [each for each in items if each.number == number]


def test_an_urgent_window_goes_before_all_that_waited_longer() -> None:
    """A lane is exhausted before the next one, though room in its last batch is not wasted."""
    backlog = [Item(f"job {at}") for at in range(20)]
    urgent = Item("urgent", lane=3)
    batch = filled(*backlog, urgent).take(4)
    assert batch == [urgent, *backlog[:3]]


def test_jobs_take_turns_chunk_by_chunk() -> None:
    """A job with many chunks has no more of the engine than one with a few, and a chunk that began is ended first."""
    long = [Item("long", number) for number in (0, 0, 0, 1, 1, 1)]
    short = [Item("short", number) for number in (0, 0, 0)]
    chunks = [{item.chunk for item in batch} for batch in drained(filled(*long, *short), 3)]
    assert chunks == [{("long", 0)}, {("short", 0)}, {("long", 1)}]
    batches = drained(filled(*long, *short), 2)
    assert [item.chunk for item in batches[0] + batches[1][:1]] == [("long", 0)] * 3


def test_room_goes_to_a_chunk_that_fits_whole() -> None:
    """Beside one window there is room for two: those of a chunk of two, not the first of a chunk of three."""
    one, three, two = [Item("one")], [Item("three"), Item("three"), Item("three")], [Item("two"), Item("two")]
    assert filled(*one, *three, *two).take(3) == [*one, *two]
    assert len(filled(*one, *three).take(3)) == 3


def test_a_window_that_can_go_with_no_other_waits_for_one_chunk_at_the_most() -> None:
    """Chunks that only give company to others are not begun, or there would always be one that is."""
    mixed = [Item(job, 0, 1, kind) for job in "abcdefgh" for kind in ("usual", "hinted", "usual", "hinted", "usual")]
    waiting = filled(*mixed[:5], Item("rare", 0, 1, "long"), *mixed[5:])
    turns = [{item.job for item in waiting.take(4)} for _ in range(4)]
    assert {"rare"} in turns


def test_what_failed_goes_again_before_anything_new() -> None:
    """A batch that is put back goes before the chunks of its lane that no batch has begun."""
    first, second = Item("a"), Item("b")
    waiting = filled(first, second)
    waiting.put_back(waiting.take(1))
    assert waiting.take(1) == [first]


def test_what_nobody_wants_is_dropped() -> None:
    """It is handed back once, and the others keep their places."""
    items = [Item("a"), Item("b"), Item("c")]
    waiting = filled(*items)
    assert waiting.drop(lambda item: item.job == "b") == [items[1]]
    assert drained(waiting, 1) == [[items[0]], [items[2]]]


def test_a_chunk_larger_than_a_batch_keeps_its_turn() -> None:
    """Only whoever gives company is chosen by what fits: else a job of long chunks would wait for all the others."""
    large, small = [Item("large"), Item("large"), Item("large")], Item("small")
    assert filled(*large, small).take(2) == large[:2]


def test_a_job_of_which_nothing_waits_is_new_when_it_comes_again() -> None:
    """It goes behind those that came meanwhile, and its chunk is not held to be begun."""
    first, second, again = Item("a"), Item("b"), Item("a")
    waiting = filled(first)
    assert waiting.take(1) == [first]
    waiting.add(second)
    waiting.add(again)
    assert drained(waiting, 1) == [[second], [again]]
