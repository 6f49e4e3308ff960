"""What the transcriber runs on: a GPU only with all it takes, and tried out before the first message."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import ctranslate2
import ivrit
import pytest

from services.transcriber import loading
from services.transcriber.engine import WhisperEngine
from services.transcriber.layouts import Layout
from services.transcriber.loading import LoadedModels, Placement
from services.transcriber.settings import TranscriberSettings
from services.transcriber.trial import rehearse
from shared import cublas
from shared.mesh.outcomes import TryLater
from shared.models import ModelStore
from shared.settings import WrongSettings

TINY = TranscriberSettings(transcriber_model="tiny.en", transcriber_streams=1)
GPU = Placement("cuda", "float16")


@pytest.fixture
def without_cublas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show CTranslate2 a GPU, and hide the library."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    monkeypatch.setattr(cublas, "load", lambda: "libcublas.so.12: no such file")


@pytest.mark.usefixtures("without_cublas")
async def test_a_gpu_without_cublas_is_left_alone_with_a_warning(
    model_store: ModelStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """'auto' takes the CPU, and the start says what to install."""
    engine = WhisperEngine(TINY.model_copy(update={"cache": tmp_path}), model_store)
    await engine.open()
    assert engine._placement.device == "cpu"
    assert "libcublas.so.12" in caplog.text
    assert cublas.REMEDY in caplog.text


@pytest.mark.usefixtures("without_cublas")
def test_a_gpu_that_is_asked_for_without_cublas_stops_the_start() -> None:
    """The error names the variable, the library and what to type."""
    with pytest.raises(WrongSettings) as told:
        Placement.of(TINY.model_copy(update={"transcriber_device": "cuda"}))
    assert all(word in str(told.value) for word in ("SCRIBE_TRANSCRIBER_DEVICE", "libcublas.so.12", cublas.REMEDY))


def test_a_rehearsal_takes_every_stream_all_the_way(model_store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With real weights: what a window needs is encoded, written down and aligned once for each of two streams."""
    whisper = Placement("cpu", "int8").load(str(model_store.fetch("tiny.en")), Layout(2, 1))
    asked = {name: Mock(wraps=getattr(whisper, name)) for name in ("encode", "find_alignment")}
    for name, mock in asked.items():
        monkeypatch.setattr(whisper, name, mock)
    rehearse(whisper, 2)
    assert [mock.call_count for mock in asked.values()] == [4, 4]


def gpu_models(monkeypatch: pytest.MonkeyPatch, rehearsal: Any) -> LoadedModels:
    """Return models that load at once, and are rehearsed by `rehearsal`, on something like a GPU."""
    monkeypatch.setattr(ivrit, "load_model", lambda **asked: SimpleNamespace(model_object=asked["model"]))
    monkeypatch.setattr(loading, "rehearse", rehearsal)
    store: Any = SimpleNamespace(fetch=Path)
    return LoadedModels(store, lambda path: GPU.load(path, Layout(2, 1)), GPU.device)


def test_a_gpu_that_cannot_do_it_fails_when_the_model_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the device and says what CTranslate2 said; so a transcriber takes no message."""
    said = "CUDA failed with error no kernel image is available for execution on the device"
    rehearsal = Mock(side_effect=RuntimeError(said))
    models = gpu_models(monkeypatch, rehearsal)
    with pytest.raises(RuntimeError, match=f"'a' on 'cuda'.*SCRIBE_TRANSCRIBER_DEVICE.*{said}"):
        models.get("a")
    assert rehearsal.call_args.args[1] == 2
    assert models.loaded("a") is None


@pytest.mark.parametrize("said", ["error out of memory", "parallel_for failed: cudaErrorInvalidDevice"])
def test_a_model_that_does_not_fit_is_tried_later_and_costs_no_other_its_place_for_long(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait names the model and the device; what made room is loaded again when it is asked for."""
    full = [False]

    def rehearsal(model: str, _: int) -> None:
        if model == "big" and full[0]:
            raise RuntimeError(said)

    models = gpu_models(monkeypatch, rehearsal)
    usual, _ = models.get("usual"), models.get("other")
    full[0] = True
    with pytest.raises(TryLater, match=f"'big' on 'cuda'.*{said}"):
        models.get("big")
    assert models.loaded("other")
    assert models.get("usual") == usual
    full[0] = False
    assert models.get("big") == "big"


def test_a_processor_is_not_rehearsed_on(model_store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has all it needs: a start there is not to take longer."""
    monkeypatch.setattr(loading, "rehearse", lambda *_: pytest.fail("rehearsed"))
    assert Placement("cpu", "int8").load(str(model_store.fetch("tiny.en")), Layout(1, 1))
