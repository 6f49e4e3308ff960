"""What the doctor says of each part."""

import asyncio
from pathlib import Path

import ctranslate2
import pytest
import torch

from services.operator.checks import CHECKS, Finding, findings, gpu, models
from services.operator.models import needed
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


async def test_a_check_that_raises_or_hangs_is_a_finding_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor never fails because a part does."""
    monkeypatch.setattr("services.operator.checks.SECONDS", 0.05)

    async def raises(_: OperatorSettings) -> Finding:
        raise OSError("no route\nto host")

    async def hangs(_: OperatorSettings) -> Finding:
        await asyncio.Event().wait()
        return Finding("never", "seen")

    found = await findings(OperatorSettings(), (("one", raises, "plug it in"), ("two", hangs, "wait")))
    assert found == [
        Finding("one", "OSError: no route", "plug it in"),
        Finding("two", "no answer within 0 s", "wait"),
    ]


def test_the_doctor_looks_at_every_part() -> None:
    """Each check is about one part."""
    assert [part for part, _, _ in CHECKS] == ["broker", "database", "object store", "gateway", "models", "GPU"]


async def test_a_model_of_the_operators_own_folder_is_here(tmp_path: Path) -> None:
    """The services take it from there, so the doctor misses nothing; a named pipeline takes the offline one's place."""
    named = OperatorSettings(cache=tmp_path / "cache", models_folder=tmp_path, diarizer_model="acme/pipeline")
    (tmp_path / "base").mkdir()
    assert (await models(named)).state == "missing: acme/pipeline"
    (tmp_path / "acme--pipeline").mkdir()
    assert await models(named) == Finding("models", "base, acme/pipeline")
    assert needed(OperatorSettings()) == ("base", "pyannote-segmentation-3.0", "campplus-zh-en")
