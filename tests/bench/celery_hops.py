"""The peer: a chain of six no-op tasks in Celery, each publishing the next; late acks, durable, confirmed, no results.

The worker and whoever starts it import this: `SCRIBE_AMQP_URL` names the broker. With `SCRIBE_BENCH_DURABLE` every task
finds and updates its job in the database that `SCRIBE_MONGO_URL` names, as plainly as that can be done.
"""

import asyncio
from functools import cache
from typing import Any

from celery import Celery
from celery.signals import worker_ready

from shared.jobs.mongo import connect
from shared.settings import Settings

HOPS = 6
IDLE, QUEUE, READY, DONE = (f"bench.celery.{name}" for name in ("idle", "hops", "ready", "done"))


class HopSettings(Settings):
    """The mesh's own broker and database, and whether every task finds and updates its job."""

    bench_durable: bool = False


SETTINGS = HopSettings()
app = Celery("hops", broker=SETTINGS.amqp_url, backend=None)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue=QUEUE,
    task_default_delivery_mode="persistent",
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
)


@cache
def _jobs() -> Any:
    return connect(SETTINGS.mongo_url)["bench"]["celery"]


@cache
def _loop() -> asyncio.AbstractEventLoop:
    # Motor takes the loop that is the thread's own, in each of the worker's processes.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


async def _keep(job: str, hop: int) -> None:
    await _jobs().find_one({"_id": job})
    await _jobs().update_one({"_id": job}, {"$set": {"hop": hop}}, upsert=True)


@app.task(name="hop")  # type: ignore[untyped-decorator]  # Celery ships no types
def hop(job: str, number: int) -> None:
    """Do nothing and ask for the next task; the last one says that the job is done."""
    if SETTINGS.bench_durable:
        _loop().run_until_complete(_keep(job, number))
    if number < HOPS:
        hop.delay(job, number + 1)
    else:
        app.send_task("done", (job,), queue=DONE)


@worker_ready.connect  # type: ignore[untyped-decorator]  # as above
def _tell(**_: Any) -> None:
    app.send_task("ready", queue=READY)
