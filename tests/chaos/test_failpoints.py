"""The campaign's failpoints: none is forgotten, and each kills one process once."""

import asyncio
import inspect
import signal
import sys
from asyncio.subprocess import create_subprocess_exec
from pathlib import Path

import pytest

from deploy.local.commands import ROOT
from shared.jobs.mongo import MongoStore
from shared.jobs.mongo_upkeep import MongoUpkeep
from shared.mesh.post import AmqpPost, Post
from tests.chaos.failpoints import ANNOUNCING, NAMES, PLUMBING, READS, Failpoints, announcing

pytestmark = pytest.mark.chaos

DO = """
import asyncio, sys
from pathlib import Path
from tests.chaos.failpoints import Failpoints

async def call():
    print("called", flush=True)

asyncio.run(Failpoints(Path(sys.argv[1])).around("store.save", call)())
"""


@pytest.mark.parametrize(("place", "kind"), [("store", MongoStore), ("upkeep", MongoUpkeep), ("post", AmqpPost)])
def test_every_method_that_writes_or_publishes_has_its_failpoints(place: str, kind: type) -> None:
    """What the real parts can do, but for what only reads or prepares, has one before and one after."""
    public = {name for name, found in vars(kind).items() if inspect.iscoroutinefunction(found) and name[0] != "_"}
    wanted = public - READS - PLUMBING - {"prepare"}
    named = {name.partition(":")[0] for name in NAMES if name.startswith(f"{place}.")}
    assert named == {f"{place}.{name}" for name in wanted}
    assert len(NAMES) == len({*NAMES}) == 2 * len({name.partition(":")[0] for name in NAMES})


def test_all_that_a_worker_may_say_and_every_settling_has_its_failpoints() -> None:
    """The protocol of the post is part of the real one, and messages are acked and given back."""
    said = {name for name, found in vars(Post).items() if inspect.iscoroutinefunction(found)}
    assert {f"post.{name}:before" for name in said} | {"message.ack:after", "message.nack:after"} <= {*NAMES}


def test_all_that_an_announcement_writes_and_publishes_has_failpoints_of_its_own(tmp_path: Path) -> None:
    """A crash can be asked for there and nowhere else, though a commit passes the same parts."""
    assert {name.removeprefix("announcing.") for name in ANNOUNCING} <= {name.partition(":")[0] for name in NAMES}
    failpoints, checked = Failpoints(tmp_path), list[str]()
    failpoints.check = checked.append  # type: ignore[method-assign, assignment]  # nobody is to die of this

    async def call() -> None:
        """Do nothing."""

    save = failpoints.around("store.save", call)
    asyncio.run(save())
    token = announcing.set(True)
    asyncio.run(save())
    announcing.reset(token)
    names = ("store.save", "announcing.store.save")
    assert checked == [f"store.save:{when}" for when in ("before", "after")] + [
        f"{name}:{when}" for when in ("before", "after") for name in names
    ]


@pytest.mark.parametrize(("when", "called"), [("before", b""), ("after", b"called\n")])
async def test_an_armed_failpoint_kills_one_process_and_the_next_lives(
    tmp_path: Path, when: str, called: bytes
) -> None:
    """The first to come dies on the wanted side of the call; armed once, it kills once."""
    failpoints, ends = Failpoints(tmp_path), []
    failpoints.arm(f"store.save:{when}")
    for _ in range(2):
        process = await create_subprocess_exec(sys.executable, "-c", DO, str(tmp_path), cwd=ROOT, stdout=-1)
        out, _ = await process.communicate()
        ends.append((process.returncode, out))
    assert ends == [(-signal.SIGKILL, called), (0, b"called\n")]
    assert not failpoints.armed
