"""What the doctor says of a GPU that the two engines see, or do not."""

import ctranslate2
import pytest
import torch

from services.operator.checks import gpu
from services.operator.settings import OperatorSettings
from shared import cublas


@pytest.mark.parametrize(
    ("whisper", "pyannote", "missing", "state", "advice"),
    [
        (0, 0, None, "none; the processor does the work", None),
        (1, 0, None, "torch sees none", "install a CUDA build of torch"),
        (0, 1, None, "CTranslate2 sees none", "install an NVIDIA driver"),
        (1, 1, "libcublas.so.12: no such file", "cannot use it: libcublas.so.12", cublas.REMEDY),
        (1, 1, None, "1 x Anything", None),
    ],
)
async def test_half_a_gpu_is_found_and_so_is_a_library_that_it_lacks(
    whisper: int, pyannote: int, missing: str | None, state: str, advice: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each state has its own advice; a whole GPU, or none, needs none."""
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: whisper)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: pyannote)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Anything")
    monkeypatch.setattr(cublas, "load", lambda: missing)
    found = await gpu(OperatorSettings())
    assert state in found.state
    assert (found.advice or "").startswith(advice or "")
    assert bool(found.advice) == bool(advice)
