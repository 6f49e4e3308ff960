"""The table's rows, in order; each comes from the module that measures it."""

from tests.bench.row import Row

ROWS: tuple[Row, ...] = ()
