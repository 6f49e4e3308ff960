"""Row 12: what a job costs as more of them wait, and how much memory every process takes."""

from typing import Any

from deploy.local.parts import LocalParts
from shared.topology import Stage
from tests.bench.drained import Drained, drained
from tests.bench.row import Measured, Row, Size

DEPTHS = (10, 100, 1_000, 10_000)
ROUNDS = 3
SLICE_SECONDS = 20
"""A deeper queue is drained for so long only: the rate is that of the slice, while the rest waits.

In a slice intake runs ahead of the others, so that few jobs end of the many that are begun: what is counted is steps.
"""


async def growth(size: Size) -> Measured:
    """Drain a slice of queues of different depths, each depth in turn, over the local database."""
    measured = Measured()
    async with LocalParts(size.home) as parts:
        for _ in range(ROUNDS):
            each = {depth: await _drained(parts, depth) for depth in DEPTHS}
            # The shallowest queue is empty before all stages are at work; it is shown beside.
            least, most = each[DEPTHS[1]], each[DEPTHS[-1]]
            measured.add(_rate(most), _rate(least), _rate(most) / _rate(least))
            measured.beside = {f"{depth} queued": _shown(figures, parts) for depth, figures in each.items()}
    return measured


async def _drained(parts: LocalParts, depth: int) -> Drained:
    pids = [str(pid) for pid in _pids(parts).values()]
    environment = {**parts.environment, "SCRIBE_MONGO_DATABASE": f"growth_{depth}"}
    words = ("--jobs", str(depth), "--seconds", str(SLICE_SECONDS), "--durable", "--pids", *pids)
    return await drained("tests.bench.noop_mesh", environment, *words)


def _rate(figures: Drained) -> float:
    """Return the steps of all stages a second, as the jobs that so many steps make."""
    return figures.steps / len(Stage) / figures.seconds


def _pids(parts: LocalParts) -> dict[str, int]:
    running = {"broker": parts.broker, "database": parts.database}
    return {name: part.pid for name, part in running.items() if part and part.pid}


def _shown(figures: Drained, parts: LocalParts) -> dict[str, Any]:
    memory = {name: figures.resident[pid] for name, pid in {"mesh": 0, **_pids(parts)}.items()}
    return {"steps/s ÷ 6": round(_rate(figures), 2), "jobs ended": figures.jobs, "MB": memory}


ROWS = (
    Row(
        number=12,
        title="jobs/s as more jobs wait, counted as the steps that all six stages did ÷ 6, of jobs that ended and of "
        f"jobs that did not; {SLICE_SECONDS} s of each depth, over the local database",
        ours="steps/s ÷ 6 with 10,000 queued",
        peer="steps/s ÷ 6 with 100 queued",
        must=0.9,
        aim=1.0,
        run=growth,
    ),
)
