"""Settling a message that can neither be handled nor sent on."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.mesh import settle
from shared.mesh.settle import Settler
from shared.topology import Stage
from tests.fakes.incoming import Incoming

PAUSE = 0.2


class Refused:
    """A post whose broker refuses everything at once."""

    async def again(self, *_: Any, **__: Any) -> None:
        """Refuse."""
        raise ConnectionError("refused")


@dataclass
class Nacked(Incoming):
    """A message that notes when it was given back."""

    at: list[float] = field(default_factory=list)

    async def nack(self, *, requeue: bool) -> None:
        """Note it."""
        assert requeue
        self.at.append(asyncio.get_running_loop().time())


async def test_a_message_that_can_go_nowhere_is_not_given_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the broker brings it back a thousand times a second while publishing is refused."""

    async def broken(message: Any) -> None:
        raise RuntimeError(message.body)

    monkeypatch.setattr(settle, "PAUSE_SECONDS", PAUSE)
    message, began = Nacked(b"{}"), asyncio.get_running_loop().time()
    settler = Settler(Stage.DOWNLOADER, "worker", Refused())  # type: ignore[arg-type]  # only `again` is asked
    await settler.settle(message, broken)  # type: ignore[arg-type]  # only what the settler reads
    assert [at - began >= PAUSE for at in message.at] == [True]
