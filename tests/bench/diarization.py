"""Row 11: diarizing real speech, against pyannote's own pipeline with one embedding at a time."""

import asyncio
import os

from tests.bench.row import Measured, Row, Size

TIMES, TIMES_SMALL = 10, 1
"""How many times over the sample is heard, a second of silence behind each."""


async def run(size: Size) -> Measured:
    """Return how many times faster than real time both are."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from tests.bench.speakers import measure  # noqa: PLC0415 - gigabytes that no other row needs

    return await asyncio.to_thread(measure, TIMES_SMALL if size.small else TIMES)


ROW = Row(
    number=11,
    title="diarization, real, against pyannote with one embedding at a time",
    ours="x real time",
    peer="x real time",
    must=2.0,
    aim=4.0,
    run=run,
)
