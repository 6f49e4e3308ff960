"""What the diarizer does about a GPU: that it is there and how exactly it computes."""

import logging
from typing import Any

import numpy as np
import pytest
import torch

from services.diarizer.device import placed
from services.diarizer.engine import PyannoteEngine
from services.diarizer.settings import DiarizerSettings
from shared.models import ModelStore
from shared.settings import WrongSettings
from shared.transcript import SAMPLE_RATE

TOO_OLD = RuntimeError("The NVIDIA driver on your system is too old (found version 12020).")


@pytest.fixture
def old_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have torch answer as on a machine whose driver is too old for it."""

    def refuse(*_: Any, **__: Any) -> None:
        raise TOO_OLD

    monkeypatch.setattr(torch, "ones", refuse)
    monkeypatch.setattr(torch.version, "cuda", "13.0")


@pytest.mark.usefixtures("old_driver")
def test_a_gpu_that_is_asked_for_and_cannot_be_used_ends_the_start(model_store: ModelStore) -> None:
    """The message names the setting, torch and its CUDA, what torch said, and what to do."""
    with pytest.raises(WrongSettings) as ended:
        PyannoteEngine(model_store, DiarizerSettings(diarizer_device="cuda"))
    for told in ("SCRIBE_DIARIZER_DEVICE", f"torch {torch.__version__}", "CUDA 13.0", str(TOO_OLD), "use 'auto'"):
        assert told in str(ended.value)


@pytest.mark.usefixtures("old_driver")
def test_a_gpu_that_cannot_be_used_is_no_secret_if_none_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """The CPU does it, with a warning that says why; if the CPU is asked for, nothing is said."""
    assert placed("cpu") == torch.device("cpu")
    assert not caplog.records
    assert placed("auto") == torch.device("cpu")
    assert [(each.levelno, str(TOO_OLD) in each.getMessage()) for each in caplog.records] == [(logging.WARNING, True)]


@pytest.mark.filterwarnings("error")
def test_a_loaded_pipeline_computes_in_full_float32(model_store: ModelStore) -> None:
    """Whatever was allowed before, neither matrix products nor cuDNN use TF32, and PyTorch warns of nothing."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    PyannoteEngine(model_store, DiarizerSettings()).listen(np.zeros(SAMPLE_RATE, np.float32), lambda _: None)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
