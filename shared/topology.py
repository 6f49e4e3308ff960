"""Every exchange, queue and binding of the mesh, as data.

Nothing else in the project spells the name of an exchange or a queue. Identity (type, priorities, dead-letter
exchange) stands here, because RabbitMQ refuses a queue declared again with other arguments. Length limits are policies
in `deploy/rabbitmq/definitions.json`; the consumer timeout is the broker's configuration beside it.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Literal
from uuid import uuid4


class Stage(StrEnum):
    """One kind of work: one service, one work queue."""

    INTAKE = "intake"
    DOWNLOADER = "downloader"
    TRANSCRIBER = "transcriber"
    DIARIZER = "diarizer"
    ENHANCER = "enhancer"
    NOTIFIER = "notifier"


class Lane(IntEnum):
    """A priority lane; its value is the AMQP priority of every message of the job."""

    BACKGROUND = 0
    NORMAL = 1
    HIGH = 2
    URGENT = 3

    @property
    def label(self) -> str:
        """The lane's name as job messages spell it."""
        return self.name.lower()


class Happening(StrEnum):
    """The last word of an event's routing key."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PROGRESS = "progress"
    SEGMENTS = "segments"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Exchange:
    """An exchange to declare; `alternate` takes what no binding matches."""

    name: str
    kind: Literal["topic", "direct", "fanout"]
    alternate: str | None = None


@dataclass(frozen=True)
class Binding:
    """Messages of `exchange` whose routing key matches `key` reach the queue."""

    exchange: str
    key: str


@dataclass(frozen=True)
class Queue:
    """A durable classic queue with the arguments that are its identity."""

    name: str
    bindings: tuple[Binding, ...]
    arguments: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rung:
    """One delay of the retry ladder, in seconds, with its routing-key word."""

    word: str
    seconds: int


UNROUTABLE = Exchange("scribe.unroutable", "fanout")
JOBS = Exchange("scribe.jobs", "topic", UNROUTABLE.name)
RETRY = Exchange("scribe.retry", "direct", UNROUTABLE.name)
DEAD = Exchange("scribe.dead", "topic", UNROUTABLE.name)
EVENTS = Exchange("scribe.events", "topic")
CONTROL = Exchange("scribe.control", "fanout")
EXCHANGES = (UNROUTABLE, JOBS, RETRY, DEAD, EVENTS, CONTROL)

SUBMIT_KEY = "job.submit"
CANCEL_KEY = "job.cancel"
REPLIES, LISTENERS = "reply", "listeners"
"""How the names of a gateway's own queues begin. Not with `scribe.`: intake sends no reply into a queue of the mesh."""

OWN_QUEUE_MS = 300_000
"""Milliseconds that a process's own queue is kept without a consumer (`x-expires`), as after a kill."""

LADDER = (Rung("10s", 10), Rung("1m", 60), Rung("5m", 300), Rung("30m", 1800))

# What one consumer holds. Heavy stages hold one message, so that an urgent job waits for one step at the most; the
# transcriber has a consumer for each step that its engine has room for, or that overtakes (shared/mesh/consumers.py).
PREFETCH = {
    Stage.INTAKE: 16,
    Stage.DOWNLOADER: 2,
    Stage.TRANSCRIBER: 1,
    Stage.DIARIZER: 1,
    Stage.ENHANCER: 1,
    Stage.NOTIFIER: 8,
}

# Stages whose workers hold steps that they have not begun, and are told when steps of higher lanes are queued.
OVERTAKEN = {Stage.TRANSCRIBER}

ENDS = (Happening.COMPLETED, Happening.FAILED, Happening.CANCELLED)

# Facts a webhook may ask for; `progress` is only for those who listen live.
NOTIFIED = (Happening.ACCEPTED, Happening.SEGMENTS, *ENDS)


def step_key(stage: Stage) -> str:
    """Return the routing key of the stage's steps in the jobs and dead exchanges."""
    return f"step.{stage}"


def retry_key(stage: Stage, rung: Rung) -> str:
    """Return the key that waits on the rung and then, still matching `step.<stage>.#`, comes back to the stage."""
    return f"{step_key(stage)}.{rung.word}"


def event_key(tenant: str, happening: Happening) -> str:
    """Return the routing key of a tenant's event."""
    return f"job.{tenant}.{happening}"


def rung_for(delay: float) -> Rung:
    """Return the shortest rung that waits at least `delay` seconds, or the longest there is."""
    return next((rung for rung in LADDER if rung.seconds >= delay), LADDER[-1])


def rung_after(tries: int) -> Rung:
    """Return the rung that a step waits on after so many tries, one or more."""
    return LADDER[min(tries, len(LADDER)) - 1]


def work_queue(stage: Stage) -> Queue:
    """Return the stage's work queue: durable, with a priority per lane, rejected messages kept."""
    keys = [f"{step_key(stage)}.#"]
    if stage is Stage.INTAKE:
        keys += [SUBMIT_KEY, CANCEL_KEY]
    return Queue(
        f"scribe.work.{stage}",
        tuple(Binding(JOBS.name, key) for key in keys),
        {
            "x-max-priority": int(max(Lane)),
            "x-dead-letter-exchange": DEAD.name,
            "x-dead-letter-routing-key": step_key(stage),
        },
    )


def retry_queue(rung: Rung) -> Queue:
    """Return the queue where steps of every stage wait the rung's seconds before they go back to the jobs exchange."""
    return Queue(
        f"scribe.retry.{rung.word}",
        tuple(Binding(RETRY.name, retry_key(stage, rung)) for stage in Stage),
        {"x-message-ttl": rung.seconds * 1000, "x-dead-letter-exchange": JOBS.name},
    )


def dead_queue(stage: Stage) -> Queue:
    """Return the queue where the stage's parked messages stay until they are replayed or dropped."""
    return Queue(f"scribe.dead.{stage}", (Binding(DEAD.name, step_key(stage)),))


def own_queue(whose: str) -> Queue:
    """Return a queue for one process alone, to be declared durable and deleted with its last consumer.

    It is not exclusive: the broker would keep it locked for a connection that is no more, and the process, refused it,
    would not get any of its other consumers back either. It is durable, as RabbitMQ 4 wants shared queues.
    """
    return Queue(f"{whose}.{uuid4()}", (), {"x-expires": OWN_QUEUE_MS})


UNROUTABLE_QUEUE = Queue("scribe.unroutable", (Binding(UNROUTABLE.name, ""),))
# Where intake hears that a job has ended and another may start.
ENDED_QUEUE = Queue("scribe.events.intake", tuple(Binding(EVENTS.name, event_key("*", each)) for each in ENDS))

QUEUES = (
    UNROUTABLE_QUEUE,
    *(work_queue(stage) for stage in Stage),
    *(retry_queue(rung) for rung in LADDER),
    *(dead_queue(stage) for stage in Stage),
    ENDED_QUEUE,
)
