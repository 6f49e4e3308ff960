"""Limits: no queue grows for ever, and one that only hints is never what refuses a message."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.topology import CONTROL, ENDED_QUEUE, LISTENERS, QUEUES, REPLIES, own_queue

DEFINITIONS = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "definitions.json"
HINTS = [own_queue(whose).name for whose in (CONTROL.name, REPLIES, LISTENERS)] + [ENDED_QUEUE.name]


def limits(queue: str) -> list[dict[str, Any]]:
    """Return what the policies that ship say of the queue."""
    policies = json.loads(DEFINITIONS.read_text())["policies"]
    return [each["definition"] for each in policies if re.search(each["pattern"], queue)]


@pytest.mark.parametrize("queue", [*HINTS, *(each.name for each in QUEUES if each != ENDED_QUEUE)])
def test_each_queue_has_one_limit(queue: str) -> None:
    """A full queue refuses what must not be lost; of hints, which documents tell too, the oldest go.

    A process that stands still would otherwise have its own queue refuse the events and orders meant for all.
    """
    (limit,) = limits(queue)
    assert limit["max-length"] > 0
    assert limit["overflow"] == ("drop-head" if queue in HINTS else "reject-publish")


@pytest.mark.parametrize("queue", ["reply.of-a-publisher", "listeners", "my.listeners.1"])
def test_queues_of_others_have_none_of_ours(queue: str) -> None:
    """A publisher that shares the broker names its own queues as it likes."""
    assert limits(queue) == []
