"""Settling: the one place where a message is acked, given back, sent up the ladder or parked."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import ChannelInvalidStateError
from pydantic import ValidationError

from shared import telemetry
from shared.clock import now
from shared.mesh.outcomes import short
from shared.mesh.post import AmqpPost
from shared.mesh.run import Draining
from shared.messages import Diagnosis
from shared.topology import CANCEL_KEY, LADDER, SUBMIT_KEY, Rung, Stage

log = logging.getLogger(__name__)

TRIES = "scribe-tries"
"""The header that counts how often a message itself (not its step) could not be handled."""

CARRIED = ("priority", "message_id", "correlation_id", "reply_to")
"""The properties that a message keeps on the ladder, as a dead letter and when that is replayed."""

PAUSE_SECONDS = 2.0
"""How long a message that can go nowhere is held before it goes back to the broker."""


class NotYet(Exception):
    """The message speaks of something that is perhaps still on its way: it goes up the ladder and is tried again."""


class GivenBack(Exception):
    """The message is for another worker: it goes back to the broker as it came, and at once."""


Handle = Callable[[AbstractIncomingMessage], Awaitable[None]]


@dataclass(frozen=True)
class Settler:
    """Runs a handler on each message of a stage's queue and settles the message by how that ends.

    `away` is what a handler raises when the database cannot be reached. That is no fault of the message: it is tried
    again until the database is back, however long that takes, and not parked.
    """

    stage: Stage
    worker: str
    post: AmqpPost
    away: tuple[type[Exception], ...]

    async def settle(self, message: AbstractIncomingMessage, handle: Handle) -> None:
        """Ack the message once its effects are safe; whatever else happens, it is kept somewhere."""
        try:
            await self._handle(message, handle)
        except (Draining, GivenBack):
            await _quietly(message.nack(requeue=True))
        except Exception:
            # Neither handled nor sent on: the broker has no room, and would bring the message again as quickly as it
            # refuses what follows. Held for a moment it counts against the prefetch, which is all the brake there is.
            log.exception("the message goes back to the broker")
            await asyncio.sleep(PAUSE_SECONDS)
            await _quietly(message.nack(requeue=True))
        else:
            await _quietly(message.ack())

    async def _handle(self, message: AbstractIncomingMessage, handle: Handle) -> None:
        try:
            await handle(message)
        except (Draining, GivenBack):
            raise
        except ValidationError as wrong:
            log.warning("not a message of the mesh; parked: %s", _named(wrong))
            await self._park(message, f"not a message of the mesh: {_named(wrong)}", wrong)
        except NotYet as early:
            log.info("the message is early: %s", early)
            await self._again(message, early)
        except self.away as away:
            log.warning("the database is away; the message is tried again in %s s: %s", LADDER[0].seconds, away)
            await self._later(message, LADDER[0], tries(message))
        except Exception as failure:
            log.exception("the message could not be handled")
            await self._again(message, failure)

    async def _again(self, message: AbstractIncomingMessage, failure: Exception) -> None:
        failed = tries(message) + 1
        if failed > len(LADDER):
            await self._park(message, f"could not be handled {failed} times; {failure}", failure)
            return
        await self._later(message, LADDER[failed - 1], failed)

    async def _later(self, message: AbstractIncomingMessage, rung: Rung, failed: int) -> None:
        # Its publisher's headers stay behind: with one more of ours they may not fit into a frame, and the broker would
        # end the connection each time that the message comes.
        await self.post.resend(self.stage, rung.seconds, message.body, **_carried(message), headers={TRIES: failed})

    async def _park(self, message: AbstractIncomingMessage, reason: str, failure: Exception) -> None:
        why = Diagnosis(
            stage=self.stage,
            reason=short(reason),
            attempts=tries(message),
            exception=type(failure).__name__,
            worker=self.worker,
            at=now(),
        )
        await self.post.park(message.body, why, **_carried(message))
        telemetry.PARKED.labels(self.stage).inc()


def subject(message: AbstractIncomingMessage) -> str:
    """Return what the message is about: its first routing key, which the ladder keeps in the type property.

    The type of a message that comes straight from its publisher may say anything.
    """
    key = message.routing_key or ""
    return key if key in {SUBMIT_KEY, CANCEL_KEY} else message.type or key


def _carried(message: AbstractIncomingMessage) -> dict[str, Any]:
    return {**{name: getattr(message, name) for name in CARRIED}, "type": subject(message)}


def tries(message: AbstractIncomingMessage) -> int:
    """Return how often the message itself could not be handled before."""
    counted = message.headers.get(TRIES, 0)
    return max(counted, 0) if isinstance(counted, int) else 0


def _named(wrong: ValidationError) -> str:
    # The wrong values themselves stay out of logs and diagnoses: they may be secrets.
    return "; ".join(f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['msg']}" for error in wrong.errors())


async def _quietly(settled: Awaitable[Any]) -> None:
    try:
        await settled
    except (ChannelInvalidStateError, ConnectionError) as lost:
        log.warning("the connection went before the message could be settled; it will come again: %s", lost)
