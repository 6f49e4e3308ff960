"""Passing on: after a commit, the events it speaks of and the steps it made ready go out."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any

from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.states import ABANDONED
from shared.jobs.store import JobStore
from shared.mesh.post import Post
from shared.messages import Event, Order, Overtaking
from shared.topology import OVERTAKEN, Lane


async def pass_on(store: JobStore, post: Post, moved: Moved, progress: Iterable[Event] = ()) -> None:
    """Publish the facts in order, stop what runs for an ended job, queue what is ready; once confirmed, note it.

    Safe to repeat: a fact keeps its sequence number, and a step that is over is not done again. `progress` goes along.
    """
    job = moved.job
    said = [post.event(Event.of(job, fact)) for fact in moved.facts]
    said += [post.step(step, job.lane) for step in moved.steps]
    if job.lane > Lane.NORMAL:
        said += map(post.order, _overtaking(moved))
    if job.state in ABANDONED and moved.facts:
        said.append(post.order(Order(cancel=job.id)))
    await _confirmed([*said, *map(post.event, progress)])
    if said:
        await store.published(job.id, [fact.sequence for fact in moved.facts], moved.steps, now())


def _overtaking(moved: Moved) -> Iterator[Order]:
    """Yield what tells workers of the steps that go before what they have in hand."""
    for stage in OVERTAKEN & {step.stage for step in moved.steps}:
        yield Order(overtaking=Overtaking(stage=stage, lane=moved.job.lane))


async def _confirmed(said: list[Coroutine[Any, Any, None]]) -> None:
    """Say everything in order, then wait for all the broker's confirmations; raise the first failure, if any."""
    if len(said) == 1:
        await said[0]
        return
    # Tasks start in order, and the channel writes what they say in that order.
    for outcome in await asyncio.gather(*said, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
