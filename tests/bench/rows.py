"""The table's rows, in order; each comes from the module that measures it."""

from tests.bench import busy, decoded_once, front_end, long_jobs, short_jobs, split_file, urgent
from tests.bench.row import Row

ROWS: tuple[Row, ...] = (
    busy.ROW,
    long_jobs.ROW,
    short_jobs.ROW,
    urgent.ROW,
    split_file.ROW,
    decoded_once.ROW,
    front_end.ROW,
)
