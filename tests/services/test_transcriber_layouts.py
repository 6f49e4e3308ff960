"""How cores are shared out: what is set is kept, what is not is measured once and remembered."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from services.transcriber import layouts as module
from services.transcriber.engine import WhisperEngine
from services.transcriber.layouts import Layout, cache_file, fastest, layouts
from services.transcriber.loading import Placement
from services.transcriber.settings import TranscriberSettings
from shared.models import ModelStore

FREE = TranscriberSettings()


@pytest.mark.parametrize(
    ("cores", "expected"),
    [
        (1, [(1, 1)]),
        (2, [(2, 1), (1, 2)]),
        (4, [(4, 1), (2, 2), (1, 4)]),
        (16, [(4, 4), (2, 8)]),
        (96, [(4, 8)]),
    ],
)
def test_a_machine_offers_few_streams_of_many_threads_and_many_of_few(
    cores: int, expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No layout has more threads than there are cores, and one core leaves nothing to measure."""
    monkeypatch.setattr(module, "cores", lambda: cores)
    assert [(each.streams, each.threads) for each in layouts(FREE, "cpu")] == expected


@pytest.mark.parametrize(
    ("device", "settings", "expected"),
    [
        ("cpu", {"transcriber_threads": 1}, Layout(1, 1)),
        ("cpu", {"transcriber_streams": 2}, Layout(2, 2)),
        ("cpu", {"transcriber_streams": 3, "transcriber_threads": 5}, Layout(3, 5)),
        ("cuda", {}, Layout(2, 1)),
        ("cuda", {"transcriber_streams": 1}, Layout(1, 1)),
    ],
)
def test_a_layout_that_is_set_is_not_measured(
    device: str, settings: dict[str, int], expected: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one to choose from: what is set, the rest to suit it; on a GPU two streams."""
    monkeypatch.setattr(module, "cores", lambda: 4)
    assert layouts(FREE.model_copy(update=settings), device) == [expected]


CANDIDATES = [Layout(1, 2), Layout(2, 1)]


def test_the_fastest_layout_is_measured_once_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second start asks nothing of the model."""
    load = Mock(side_effect=lambda layout: layout)
    monkeypatch.setattr(module, "speed", lambda layout, _streams, _batch: float(layout.streams))
    file = tmp_path / "layouts" / "a.json"
    assert [fastest(file, CANDIDATES, load, 2) for _ in range(2)] == [Layout(2, 1)] * 2
    assert load.call_count == 2
    assert json.loads(file.read_text())["fastest"] == {"streams": 2, "threads": 1}


def test_whatever_a_layout_depends_on_has_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another model, compute type, width of a batch or number of cores is measured by itself."""
    monkeypatch.setattr(module, "cores", lambda: 2)
    asked = [("a/b", "int8", 2), ("c", "int8", 2), ("a/b", "float32", 2), ("a/b", "int8", 4)]
    files = {cache_file(tmp_path, *each) for each in asked}
    monkeypatch.setattr(module, "cores", lambda: 1)
    assert len(files | {cache_file(tmp_path, "a/b", "int8", 2)}) == 5
    assert {file.parent for file in files} == {tmp_path}


@pytest.mark.parametrize("content", ["", "[]", '{"fastest": {"streams": 2}}', '{"slowest": {}}'])
def test_a_damaged_file_is_measured_again(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A start that was cut short, or a full disk, keeps no transcriber from starting; the file is whole afterwards."""
    monkeypatch.setattr(module, "speed", lambda *_: 1.0)
    (file := tmp_path / "a.json").write_text(content)
    assert fastest(file, CANDIDATES[:1], Mock(), 2) == CANDIDATES[0]
    assert "cannot be read" in caplog.text
    assert json.loads(file.read_text())["fastest"] == {"streams": 1, "threads": 2}


def test_processes_that_start_together_measure_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One measures with the machine to itself; the other waits and takes over what it found."""
    together, asked = threading.Barrier(2, timeout=60), list[Layout]()

    def measure(*_: Any) -> float:
        threading.Event().wait(0.05)  # long enough for the other to arrive
        return 1.0

    def start() -> Layout:
        together.wait()
        return fastest(tmp_path / "a.json", CANDIDATES[:1], asked.append, 2)

    monkeypatch.setattr(module, "speed", measure)
    with ThreadPoolExecutor(2) as starting:
        assert [each.result(60) for each in [starting.submit(start) for _ in range(2)]] == CANDIDATES[:1] * 2
    assert asked == CANDIDATES[:1]


def test_a_cache_that_cannot_be_written_to_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The layout is chosen all the same."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(module, "speed", lambda *_: 1.0)
    assert fastest(tmp_path / "file" / "a.json", [Layout(1, 1)], Mock(), 2) == Layout(1, 1)
    assert "found out again at the next start" in caplog.text


async def test_an_engine_measures_with_real_weights_and_says_how_much_it_holds(
    model_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each layout is tried on the real model; what one round of batches holds follows from the one chosen."""
    monkeypatch.setattr(module, "cores", lambda: 2)
    tried: dict[Layout, Any] = {}
    real = Placement.load
    monkeypatch.setattr(
        Placement, "load", lambda self, path, layout: tried.setdefault(layout, real(self, path, layout))
    )
    settings = TranscriberSettings(transcriber_model="tiny.en", transcriber_batch=3, cache=tmp_path)
    engine = WhisperEngine(settings, model_store)
    await engine.open()
    (file,) = (tmp_path / "layouts").glob("*.json")
    found = SimpleNamespace(**json.loads(file.read_text()))
    assert set(tried) == {Layout(1, 2), Layout(2, 1)}
    assert all(speed > 0 for speed in found.windows_a_second.values())
    assert engine.free == found.fastest["streams"] * 3
    assert tried[Layout(2, 1)].model.num_workers == 2
