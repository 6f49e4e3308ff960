"""Row 11: diarizing real speech, against pyannote's own pipeline with one embedding at a time."""

import asyncio
import os
from typing import Any

from shared.cores import cores
from shared.topology import Stage
from tests.bench.mesh import bench_mesh
from tests.bench.row import Measured, Row, Size
from tests.bench.sleeper import COMMANDS
from tests.bench.spans import bounds
from tests.bench.speech import long

STAGES = (Stage.INTAKE, Stage.DOWNLOADER, Stage.TRANSCRIBER, Stage.DIARIZER, Stage.ENHANCER)
HOUR = 3_600.0
TIMES, TIMES_SMALL = 10, 1
"""How many times over the sample is heard, a second of silence behind each."""


async def run(size: Size) -> Measured:
    """Return how many times faster than real time both are; beside it, asked for alone, an hour through the mesh."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from tests.bench.speakers import measure  # noqa: PLC0415 - gigabytes that no other row needs

    measured = await asyncio.to_thread(measure, TIMES_SMALL if size.small else TIMES)
    if size.alone and not size.small:
        measured.beside |= await _an_hour(size)
    return measured


async def _an_hour(size: Size) -> dict[str, Any]:
    """Return how long the mesh looks for the speakers of an hour, with a diarizer for each core."""
    hour, processes = long(size.home, 1, HOUR), cores()
    async with bench_mesh(size, STAGES, scale={Stage.DIARIZER: processes}, commands=COMMANDS) as bench:
        await bench.lay(hour)
        (job,) = (await bench.drain(hour, diarize=True)).jobs
        records = await bench.steps([job], Stage.DIARIZER)
        start, end = bounds(records)
        joining = max(records, key=lambda record: record.queued)
        first, last = bounds([joining])
        speakers = (await bench.store.find(job)).facts.speakers
    return {
        f"an hour on {processes} diarizers": f"{end - start:.0f} s in {len(records)} steps",
        "of that, joining": f"{last - first:.1f} s",
        "speakers in the hour": speakers,
    }


ROW = Row(
    number=11,
    title="diarization, real, against pyannote with one embedding at a time",
    ours="x real time",
    peer="x real time",
    must=2.0,
    aim=4.0,
    run=run,
)
