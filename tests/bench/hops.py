"""Rows 4 and 5: what the mesh itself costs, with stages that do nothing."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from deploy.local.parts import LocalParts
from shared.topology import Stage
from tests.bench.celery_peer import celery_rate
from tests.bench.drained import Drained, drained
from tests.bench.row import Measured, Row, Size

OURS, PLAIN = "tests.bench.noop_mesh", "tests.bench.aio_pika_hops"


async def against_celery(size: Size) -> Measured:
    """Drain jobs through our six stages and through Celery's six tasks in turn; then both with the database."""
    jobs, pairs = (100, 2) if size.small else (300, 5)
    measured, over_database = Measured(), Measured()
    async with LocalParts(size.home) as parts:
        for _ in range(pairs):
            ours = (await drained(OURS, parts.environment, "--jobs", str(jobs))).rate
            peer = await celery_rate(parts.environment, jobs, size.home, durable=False)
            measured.add(ours, peer, ours / peer)
        trips = [await _pair(over_database, parts.environment, size, jobs // 3) for _ in range(1 if size.small else 3)]
    measured.beside = {**_shown(over_database), "database round trips a step": round(median(trips), 2)}
    return measured


async def _pair(measured: Measured, environment: Mapping[str, str], size: Size, jobs: int) -> float:
    """Drain jobs on both sides over the database; return our round trips a step."""
    ours = await drained(OURS, environment, "--jobs", str(jobs), "--durable")
    peer = await celery_rate(environment, jobs, size.home, durable=True)
    measured.add(ours.rate, peer, ours.rate / peer)
    return ours.commands / ours.jobs / len(Stage)


def _shown(measured: Measured) -> dict[str, Any]:
    return {
        "with the database, ours": f"{median(measured.ours):.3g} jobs/s",
        "with the database, Celery": f"{median(measured.peer):.3g} jobs/s",
        "with the database, ratio": round(median(measured.ratios), 2),
    }


async def against_aio_pika(size: Size) -> Measured:
    """Drain jobs through our six stages and through six queues of plain aio-pika in turn: the CPU time of each."""
    jobs = "300"
    measured = Measured()
    async with LocalParts(size.home) as parts:
        for _ in range(5):
            ours = await drained(OURS, parts.environment, "--jobs", jobs)
            peer = await drained(PLAIN, parts.environment, "--jobs", jobs)
            measured.add(_thousand(ours), _thousand(peer), _thousand(ours) / _thousand(peer))
    return measured


def _thousand(figures: Drained) -> float:
    return 1_000 * figures.cpu / figures.jobs


ROWS = (
    Row(
        number=4,
        title="six-stage jobs that do nothing, durable, acked late, in one process with the job store in memory",
        ours="jobs/s",
        peer="jobs/s, Celery (prefork 2, acks late, confirmed, no results)",
        must=2.0,
        aim=4.0,
        run=against_celery,
        quick=True,
    ),
    Row(
        number=5,
        title="the CPU time of the same jobs",
        ours="CPU-seconds per 1,000 jobs",
        peer="CPU-seconds per 1,000 jobs, plain aio-pika through six queues",
        must=1.8,
        aim=1.3,
        run=against_aio_pika,
        better="less",
    ),
)
