"""All six services in one process, over one job store and one post."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from faststream import FastStream

from services.intake.admission import Admission, Limits
from services.intake.desk import Desk
from shared.blobs import ObjectStore
from shared.mesh.appetite import Appetite
from shared.mesh.health import Health
from shared.mesh.post import AmqpPost
from shared.mesh.serve import Parts, Subscription, serve
from shared.mesh.stage import step_handler
from shared.settings import Settings, worker_name
from shared.topology import ENDED_QUEUE, Lane, Stage, work_queue
from tests.bench.noop_jobs import OUTPUTS, WorkedOff
from tests.fakes.intake import Sealed

ROOM = Limits(1_000_000, 1_000_000)


@dataclass
class OneProcess(Parts):
    """The parts of one stage that shares its process, and what is opened there once, with all others."""

    store: Any = field(kw_only=True)
    post: AmqpPost = field(kw_only=True)

    def __post_init__(self) -> None:
        self.worker, self.health = worker_name(self.stage), Health("127.0.0.1", 0, {})

    async def open(self) -> None:
        """Open nothing: it is open."""

    async def close(self) -> None:
        """Close nothing: it is not this stage's."""


class NobodyWaits:
    """The upkeep of a mesh with room for every job."""

    async def running(self) -> Counter[tuple[str, Lane]]:
        """Return nothing: there is room."""
        return Counter()

    async def next_waiting(self, full: Collection[str]) -> None:
        """Return None: nobody waits."""
        del full


class Mesh:
    """The services, which do nothing but count what is worked off."""

    def __init__(self, settings: Settings, store: Any, upkeep: Any, post: AmqpPost, worked_off: WorkedOff) -> None:
        self._settings, self._store, self._upkeep, self._post = settings, store, upkeep, post
        self._worked_off, self._blobs = worked_off, ObjectStore(settings.blobs_url)

    def apps(self) -> list[FastStream]:
        """Return the applications, intake last."""
        return [*(self._stage(stage) for stage in OUTPUTS), self._intake()]

    def _parts(self, stage: Stage) -> OneProcess:
        return OneProcess(stage, self._settings, self._blobs, store=self._store, post=self._post)

    def _stage(self, stage: Stage) -> FastStream:
        parts = self._parts(stage)
        return serve(
            parts, [Subscription(work_queue(stage).name, step_handler(parts, self._worked_off.do, Appetite()))]
        )

    def _intake(self) -> FastStream:
        parts, window = self._parts(Stage.INTAKE), self._settings.window
        admission = Admission(self._upkeep, self._store, self._post, ROOM, window)
        desk = Desk(self._store, self._post, admission, Sealed(), parts.worker, window)
        accept = self._worked_off.accepting(desk.handle)
        queues = {work_queue(Stage.INTAKE).name: accept, ENDED_QUEUE.name: admission.on_end}
        return serve(parts, [Subscription(queue, handle) for queue, handle in queues.items()])
