"""Models that lack a file or are damaged on the disk: a start that says which, where, and what to do."""

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from services.transcriber import layouts
from services.transcriber.engine import WhisperEngine
from services.transcriber.layouts import Layout
from services.transcriber.loading import LoadedModels, Placement
from services.transcriber.settings import TranscriberSettings
from shared.models import ModelStore


@pytest.fixture
def damaged(model_store: ModelStore, tmp_path: Path) -> Path:
    """Return a folder of models of the operator's own, with a copy of `base` that is to be damaged."""
    shutil.copytree(model_store.fetch("base"), tmp_path / "models" / "base")
    return tmp_path / "models"


def test_a_model_without_its_tokenizer_is_refused(damaged: Path) -> None:
    """faster-whisper would ask the hub for that of another model, by which one of large-v3's translates unasked."""
    (damaged / "base" / "tokenizer.json").unlink()
    load = partial(Placement("cpu", "int8").load, layout=Layout(1, 1))
    with pytest.raises(RuntimeError, match=r"--copy_files tokenizer\.json"):
        LoadedModels(ModelStore(damaged, damaged), load, "cpu").get("base")


async def test_a_damaged_model_stops_the_start_with_its_folder_named(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the first start, which loads it to find out how to share out the cores: the error names model and folder."""
    os.truncate(damaged / "base" / "model.bin", 1_000_000)
    monkeypatch.setattr(layouts, "cores", lambda: 2)
    settings = TranscriberSettings(transcriber_model="base", cache=damaged)
    with pytest.raises(RuntimeError, match=f"model 'base' on 'cpu' cannot be used.*{damaged / 'base'}"):
        await WhisperEngine(settings, ModelStore(damaged, damaged)).open()
