"""How many windows of a batch fit into memory: found out once, and known to the next start."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from services.transcriber import fits
from services.transcriber.decoding import WhisperDecoder
from services.transcriber.engine import WhisperEngine
from services.transcriber.fits import Fits
from services.transcriber.ready import FULL_SECONDS, Ready
from services.transcriber.settings import TranscriberSettings
from services.transcriber.speech import Window
from shared.models import ModelStore
from tests.fakes.jobs import new_job

SETTINGS = TranscriberSettings(transcriber_batch=8, transcriber_slack=5)


def test_what_fitted_is_the_width_of_the_next_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The last and least of what fitted is taken, and a warning says what to remove to try more again."""
    file = tmp_path / "layouts" / "a.json"
    first = Fits(file, 8, SETTINGS)
    assert first.width() == 8
    first.only(4)
    first.only(2)
    assert Fits(file, 8, SETTINGS).width() == 2
    assert str(file) in caplog.text


@pytest.mark.parametrize(
    ("changed", "configured"), [({"transcriber_slack": 30.0}, 8), ({"transcriber_streams": 1}, 8), ({}, 4), ({}, 3)]
)
def test_what_fitted_under_other_settings_is_not_taken_and_never_widens_a_batch(
    changed: dict[str, Any], configured: int, tmp_path: Path
) -> None:
    """What is configured is the most, and a setting that changed may have changed what fits."""
    Fits(tmp_path / "a.json", 8, SETTINGS).only(4)
    assert Fits(tmp_path / "a.json", configured, SETTINGS.model_copy(update=changed)).width() == configured


def test_what_fitted_is_taken_under_other_settings_that_have_nothing_to_do_with_it(tmp_path: Path) -> None:
    """A broker at another address, or another port for health, takes no memory; one window is the least that fits."""
    Fits(tmp_path / "a.json", 8, SETTINGS).only(1)
    moved = SETTINGS.model_copy(update={"health_port": SETTINGS.health_port + 1})
    assert Fits(tmp_path / "a.json", 8, moved).width() == 1


def test_what_did_not_fit_is_tried_again_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One moment without memory narrows a day's starts at the most, and the warning says how long ago it was."""
    file, clock = tmp_path / "a.json", Mock(return_value=1_000_000.0)
    monkeypatch.setattr(fits, "time", clock)
    Fits(file, 8, SETTINGS).only(2)
    clock.return_value += 3 * 3_600
    assert Fits(file, 8, SETTINGS).width() == 2
    assert "more did not fit 3:00:00 ago" in caplog.text
    clock.return_value += 21 * 3_600
    assert Fits(file, 8, SETTINGS).width() == 8


def test_what_was_kept_without_a_time_is_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file from before times were kept says nothing, and is no reason for a warning."""
    file = tmp_path / "a.json"
    Fits(file, 8, SETTINGS).only(2)
    file.write_text(json.dumps({key: value for key, value in json.loads(file.read_text()).items() if key != "at"}))
    assert Fits(file, 8, SETTINGS).width() == 8
    assert not [each for each in caplog.records if each.name.startswith("services.")]


@pytest.mark.parametrize("content", ["", "[]", '{"windows": "4"}', '{"windows": 4}'])
def test_a_damaged_file_is_as_good_as_none(content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The configured width is taken, with a warning."""
    (file := tmp_path / "a.json").write_text(content)
    assert Fits(file, 8, SETTINGS).width() == 8
    assert "cannot be read" in caplog.text


def test_a_width_below_one_is_not_taken(tmp_path: Path) -> None:
    """A file that was meddled with cannot make batches of nothing."""
    Fits(tmp_path / "a.json", 8, SETTINGS).only(0)
    assert Fits(tmp_path / "a.json", 8, SETTINGS).width() == 8


def test_a_cache_that_cannot_be_written_to_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing fails that would not have failed without it."""
    (tmp_path / "file").touch()
    Fits(tmp_path / "file" / "a.json", 8, SETTINGS).only(4)
    assert "cannot be kept" in caplog.text


async def test_an_engine_begins_with_what_fitted_when_it_ran_before(
    model_store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four windows do not fit, two do: the engine of the next start has room for two, without running out again."""

    def hear(_: WhisperDecoder, batch: Sequence[Any]) -> list[tuple[()]]:
        if len(batch) > 2:
            raise MemoryError
        return [()] * len(batch)

    monkeypatch.setattr(WhisperDecoder, "together", hear)
    settings = TranscriberSettings(
        transcriber_model="tiny.en", transcriber_streams=1, transcriber_batch=4, cache=tmp_path
    )
    engine = WhisperEngine(settings, model_store)
    await engine.open()
    assert engine.free == 4
    window = Window(np.zeros(16_000, np.float32), "en", "tiny.en", new_job().job.options)
    ready = await asyncio.to_thread(Ready.of, window, engine._models.get("tiny.en"), FULL_SECONDS)
    assert await asyncio.gather(*(engine._batcher.decode(ready) for _ in range(4))) == [()] * 4
    (file,) = (tmp_path / "layouts").iterdir()
    assert json.loads(file.read_text())["windows"] == 2
    after = WhisperEngine(settings, model_store)
    await after.open()
    assert after.free == 2
