"""The small edition of the bench: the rows run and say something; how fast they were is printed, not judged."""

from pathlib import Path

import pytest

from tests.bench.row import Row, Size
from tests.bench.rows import ROWS

pytestmark = [pytest.mark.broker, pytest.mark.mesh, pytest.mark.bench, pytest.mark.timeout(900)]


@pytest.mark.parametrize("row", [row for row in ROWS if row.quick], ids=lambda row: f"row {row.number}")
async def test_the_row_is_measured_and_printed(row: Row, tmp_path: Path) -> None:
    """Both sides took some time for the work they were given, and the texts have words in them."""
    measured = await row.run(Size(small=True, gpu=False, home=tmp_path))
    print(row.figures(measured))  # noqa: T201 - the figures are what the edition is for
    assert measured.ratios
    assert min(*measured.ours, *measured.peer, *measured.ratios) > 0
    rates = [float(rate) for name, rate in measured.beside.items() if name.startswith("WER")]
    assert all(0 <= rate < 1 for rate in rates)
