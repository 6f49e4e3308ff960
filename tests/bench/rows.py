"""The table's rows, in order; each comes from the module that measures it."""

from tests.bench import (
    busy,
    decoded_once,
    diarization,
    front_end,
    growth,
    hops,
    long_jobs,
    short_jobs,
    side_by_side,
    split_file,
    urgent,
)
from tests.bench.row import Row

ROWS: tuple[Row, ...] = (
    busy.ROW,
    long_jobs.ROW,
    short_jobs.ROW,
    *hops.ROWS,
    urgent.ROW,
    split_file.ROW,
    decoded_once.ROW,
    front_end.ROW,
    side_by_side.ROW,
    diarization.ROW,
    *growth.ROWS,
)
