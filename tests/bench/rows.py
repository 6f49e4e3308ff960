"""The table's rows, in order; each comes from the module that measures it."""

from tests.bench import diarization, side_by_side
from tests.bench.row import Row

ROWS: tuple[Row, ...] = (side_by_side.ROW, diarization.ROW)
