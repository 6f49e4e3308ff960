"""Settling a message that can neither be handled nor sent on."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import AsyncMock

import pytest
from pymongo.errors import ExecutionTimeout, PyMongoError, ServerSelectionTimeoutError

from shared.jobs.mongo import AWAY
from shared.mesh import settle
from shared.mesh.settle import TRIES, NotYet, Settler
from shared.topology import LADDER, Stage
from tests.fakes.incoming import Incoming

PAUSE = 0.2


class Refused:
    """A post whose broker refuses everything at once."""

    async def resend(self, *_: Any, **__: Any) -> None:
        """Refuse."""
        raise ConnectionError("refused")


@dataclass
class Settled(Incoming):
    """A message that notes whether it was acked, and when it was given back."""

    acked: bool = False
    at: list[float] = field(default_factory=list)

    async def ack(self) -> None:
        """Note it."""
        self.acked = True

    async def nack(self, *, requeue: bool) -> None:
        """Note it."""
        assert requeue
        self.at.append(asyncio.get_running_loop().time())


@dataclass
class Ladder:
    """A post that notes what it is to send up the ladder, and parks nothing."""

    sent: list[tuple[float, int]] = field(default_factory=list)

    async def resend(self, stage: Stage, delay: float, body: bytes, **properties: Any) -> None:
        """Note the delay, and how often the message has failed."""
        del stage, body
        self.sent.append((delay, properties["headers"][TRIES]))


@pytest.mark.parametrize("away", [ServerSelectionTimeoutError, ExecutionTimeout])
async def test_no_message_is_given_up_on_because_the_database_is_away(away: type[PyMongoError]) -> None:
    """One that has failed as often as a message may is tried again soon, and that is not counted against it."""

    async def stored(message: Any) -> None:
        raise away(message.body)

    ladder, message = Ladder(), Settled(b"{}", headers={TRIES: len(LADDER)})
    settler = Settler(Stage.INTAKE, "worker", ladder, AWAY)  # type: ignore[arg-type]  # only `again` is asked
    await settler.settle(message, stored)  # type: ignore[arg-type]  # only what the settler reads
    assert ladder.sent == [(LADDER[0].seconds, len(LADDER))]
    assert message.acked


async def test_a_message_that_can_go_nowhere_is_not_given_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the broker brings it back a thousand times a second while publishing is refused."""

    async def broken(message: Any) -> None:
        raise RuntimeError(message.body)

    monkeypatch.setattr(settle, "PAUSE_SECONDS", PAUSE)
    message, began = Settled(b"{}"), asyncio.get_running_loop().time()
    settler = Settler(Stage.DOWNLOADER, "worker", Refused(), AWAY)  # type: ignore[arg-type]  # only `again` is asked
    await settler.settle(message, broken)  # type: ignore[arg-type]  # only what the settler reads
    assert [at - began >= PAUSE for at in message.at] == [True]


async def test_what_goes_up_the_ladder_leaves_its_publishers_headers_behind() -> None:
    """They may fill a frame: with ours beside them the broker would end the connection, each time the message comes."""

    async def early(message: Any) -> None:
        raise NotYet(message.body)

    post, message = AsyncMock(), Settled(b"{}", headers={"theirs": "x" * 131_000})
    await Settler(Stage.INTAKE, "worker", post, AWAY).settle(message, early)  # type: ignore[arg-type]  # as above
    assert post.resend.await_args.kwargs["headers"] == {TRIES: 1}
    assert message.acked


async def test_a_count_that_a_publisher_made_up_sends_nothing_round_in_circles() -> None:
    """There is no rung for one below nothing: the broker would bring the message again every two seconds."""

    async def broken(message: Any) -> None:
        raise RuntimeError(message.body)

    ladder, message = Ladder(), Settled(b"{}", headers={TRIES: -1_000})
    settler = Settler(Stage.INTAKE, "worker", ladder, AWAY)  # type: ignore[arg-type]  # only `again` is asked
    await settler.settle(message, broken)  # type: ignore[arg-type]  # only what the settler reads
    assert ladder.sent == [(LADDER[0].seconds, 1)]
    assert message.acked
