"""The table's rows, in order; each comes from the module that measures it."""

from tests.bench import growth, hops
from tests.bench.row import Row

ROWS: tuple[Row, ...] = tuple(sorted((*hops.ROWS, *growth.ROWS), key=lambda row: row.number))
