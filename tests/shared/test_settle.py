"""Settling: whatever becomes of a message, it is kept somewhere."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import AsyncMock

import pytest
from prometheus_client import REGISTRY
from pymongo.errors import ExecutionTimeout, PyMongoError, ServerSelectionTimeoutError

from shared.jobs.mongo import AWAY
from shared.mesh import settle
from shared.mesh.run import Draining
from shared.mesh.settle import TRIES, GivenBack, NotYet, Settler
from shared.messages import StepMessage
from shared.topology import LADDER, Rung, Stage
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


@pytest.mark.parametrize(("failed", "rung"), [*enumerate(LADDER)])
async def test_a_message_that_cannot_be_handled_comes_again_later_each_time(failed: int, rung: Rung) -> None:
    """Until it has waited on every rung of the ladder."""

    async def broken(message: Any) -> None:
        raise RuntimeError(message.body)

    ladder, message = Ladder(), Settled(b"{}", headers={TRIES: failed} if failed else {})
    settler = Settler(Stage.INTAKE, "worker", ladder, AWAY)  # type: ignore[arg-type]  # only `again` is asked
    await settler.settle(message, broken)  # type: ignore[arg-type]  # only what the settler reads
    assert ladder.sent == [(rung.seconds, failed + 1)]


async def test_a_message_that_has_waited_on_every_rung_is_parked_as_it_came() -> None:
    """With why, how often it was tried, and what somebody needs who sends it again."""

    async def broken(message: Any) -> None:
        raise RuntimeError(message.body)

    post, message = AsyncMock(), Settled(b"{}", headers={TRIES: len(LADDER)}, priority=3, type="job.submit")
    await Settler(Stage.INTAKE, "worker", post, AWAY).settle(message, broken)  # type: ignore[arg-type]  # as above
    (body, why), kept = post.park.await_args
    assert (body, why.stage, why.attempts, why.exception) == (b"{}", Stage.INTAKE, len(LADDER), "RuntimeError")
    assert (kept["type"], kept["priority"], kept["reply_to"], kept["correlation_id"]) == (
        "job.submit",
        3,
        "amq.gen-mine",
        "c",
    )
    assert message.acked
    assert not post.resend.called


async def test_what_is_no_message_of_the_mesh_is_parked_at_once_without_its_values() -> None:
    """It would never become one; which fields are wrong is said, what stood there may be a secret."""

    async def read(message: Any) -> None:
        StepMessage.model_validate_json(message.body)

    post, message = AsyncMock(), Settled(b'{"job": "j", "stage": "s3cret", "colour": "s3cret"}')
    await Settler(Stage.INTAKE, "worker", post, AWAY).settle(message, read)  # type: ignore[arg-type]  # as above
    why = post.park.await_args.args[1]
    assert "stage: " in why.reason
    assert "colour: " in why.reason
    assert "s3cret" not in why.reason
    assert message.acked


@pytest.mark.parametrize("ends", [Draining, GivenBack])
async def test_a_message_for_another_worker_goes_back_at_once(ends: type[Exception]) -> None:
    """Neither acked nor sent up the ladder: whoever is free takes it."""

    async def gives_back(message: Any) -> None:
        raise ends(message.body)

    post, message, began = AsyncMock(), Settled(b"{}"), asyncio.get_running_loop().time()
    await Settler(Stage.DOWNLOADER, "worker", post, AWAY).settle(message, gives_back)  # type: ignore[arg-type]  # as above
    assert not message.acked
    assert [at - began < PAUSE for at in message.at] == [True]
    assert post.mock_calls == []


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


async def test_a_message_that_is_none_of_the_meshs_is_counted_once_it_is_parked() -> None:
    """By the stage that it came to: the count of steps does not know it."""

    async def read(message: Any) -> None:
        StepMessage.model_validate_json(message.body)

    counted = "scribe_messages_parked_total", {"stage": "downloader"}
    before = REGISTRY.get_sample_value(*counted) or 0
    await Settler(Stage.DOWNLOADER, "worker", AsyncMock(), AWAY).settle(Settled(b"{}"), read)  # type: ignore[arg-type]  # as above
    assert REGISTRY.get_sample_value(*counted) == before + 1
