"""Row 12: what a job costs as more of them wait, and how much memory every process takes."""

from statistics import median
from typing import Any

from deploy.local.parts import LocalParts
from tests.bench.drained import Drained, drained
from tests.bench.row import Measured, Row, Size

DEPTHS = (10, 100, 1_000, 10_000)
SHALLOW, DEEP = 100, 10_000
"""What the row compares; a queue of ten is empty before all stages are at work, and is shown beside."""

ROUNDS = 3


async def growth(size: Size) -> Measured:
    """Take queues of different depths, each with a database of its own, until a hundred jobs of each have ended."""
    measured, rounds = Measured(), list[dict[int, Drained]]()
    async with LocalParts(size.home) as parts:
        for turn in range(ROUNDS):
            order = DEPTHS[turn:] + DEPTHS[:turn]  # what comes last has the most behind it
            each = {depth: await _drained(parts, depth, turn) for depth in order}
            rounds.append(each)
            measured.add(each[DEEP].rate, each[SHALLOW].rate, each[DEEP].rate / each[SHALLOW].rate)
        measured.beside = {f"{depth} queued": _shown([each[depth] for each in rounds], parts) for depth in DEPTHS}
    return measured


async def _drained(parts: LocalParts, depth: int, turn: int) -> Drained:
    pids = [str(pid) for pid in _pids(parts).values()]
    environment = {**parts.environment, "SCRIBE_MONGO_DATABASE": f"growth_{depth}_{turn}"}
    return await drained("tests.bench.backlog", environment, "--queued", str(depth), "--pids", *pids)


def _pids(parts: LocalParts) -> dict[str, int]:
    running = {"broker": parts.broker, "database": parts.database}
    return {name: part.pid for name, part in running.items() if part and part.pid}


def _shown(figures: list[Drained], parts: LocalParts) -> dict[str, Any]:
    pids = {"mesh": 0, **_pids(parts)}
    memory = {name: round(median(each.resident[pid] for each in figures)) for name, pid in pids.items()}
    return {"jobs/s": round(median(each.rate for each in figures), 2), "MB": memory}


ROWS = (
    Row(
        number=12,
        title="jobs/s, counted in steps, until a hundred jobs have ended and more wait behind them: intake takes them "
        "all, then the stages that do nothing start; over the local database",
        ours="jobs/s with 10,000 queued",
        peer="jobs/s with 100 queued",
        must=0.9,
        aim=1.0,
        run=growth,
    ),
)
