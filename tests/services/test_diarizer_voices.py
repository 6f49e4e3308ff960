"""What the diarizer computes: windows, voices and which stand for which, on real speech with real weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from services.diarizer.campplus import CamPlusPlus, batches, network
from services.diarizer.heard import Heard
from services.diarizer.pyannote_audio import Model
from services.diarizer.sameness import alike
from services.diarizer.segmentation import prepare
from shared.mesh.outcomes import GiveUp
from shared.models import ModelStore
from shared.transcript import SAMPLE_RATE


def test_what_was_heard_is_the_same_after_it_was_kept() -> None:
    """Packed and unpacked, windows and voices are what they were, the missing ones too."""
    heard = Heard(np.eye(3, dtype=np.float32)[None], np.array([[[1.5], [np.nan], [-2]]], np.float32))
    again = Heard.unpacked(heard.packed())
    assert np.array_equal(again.active, heard.active)
    assert np.array_equal(again.voices, heard.voices, equal_nan=True)


def test_a_stretch_has_the_windows_that_pyannote_hears_one_by_one(model_store: ModelStore, pcm: bytes) -> None:
    """The first layer, computed once for all windows, gives each window the very frames it has alone."""
    weights = model_store.fetch("pyannote-segmentation-3.0") / "pytorch_model.bin"
    loaded = [Model.from_pretrained(weights) for _ in range(2)]
    shared, alone = (model.eval() for model in loaded if model is not None)
    prepare(shared)
    samples = torch.from_numpy(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)[: 13 * SAMPLE_RATE]
    with torch.inference_mode():
        once = shared(samples[None, None])
        each = alone(samples.unfold(0, 10 * SAMPLE_RATE, SAMPLE_RATE)[:, None])
    assert torch.allclose(once, each, atol=1e-2)


def test_a_voice_is_computed_once_for_the_windows_that_share_it() -> None:
    """A voice stands for the same one a second on, whatever its place; for none that it shares too little with."""
    active = np.zeros((5, 100, 3), np.float32)
    for window in range(5):  # of 10 s, one each second: one voice from 5 s to 9 s, in a place of its own
        active[window, 50 - 10 * window : 90 - 10 * window, window % 3] = 1
    active[4, 90:, 2] = 1  # and one that the middle window ends too early for
    same = alike(active, 1.0, 10.0)
    assert same == {(window, window % 3): (2, 2) for window in (0, 1, 3, 4)}


def test_a_voice_is_the_same_alone_and_in_a_batch(model_store: ModelStore, pcm: bytes) -> None:
    """Beside a longer crop a voice does not change, other people's differ, and too little speech is no voice."""
    voices = CamPlusPlus(model_store.fetch("campplus-zh-en")).eval()
    samples = torch.from_numpy(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)
    # By the reference one person talks from 15 s to 18 s, the other from 19 s to 21 s.
    window = samples[14 * SAMPLE_RATE : 22 * SAMPLE_RATE][None, None].repeat(3, 1, 1)
    weights = torch.zeros(3, 80)
    weights[0, 50:70] = weights[1, 10:40] = weights[2, 10:11] = 1
    with torch.inference_mode():
        together, alone = voices(window, weights), voices(window[:1], weights[:1])
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(together[0], alone[0], dim=0) > 0.999
    assert cosine(together[0], together[1], dim=0) < 0.5
    assert together[2].isnan().all()


def test_masks_are_those_of_the_networks_own_code(model_store: ModelStore) -> None:
    """Computed once for the frames that share them, they leave of every frame what the code beside the weights does."""
    layers = [each for each in network(model_store.fetch("campplus-zh-en")).modules() if hasattr(each, "seg_pooling")]
    with torch.inference_mode():
        for layer, frames in ((layer, torch.randn(2, 128, length)) for layer in layers for length in (25, 100, 175)):
            assert torch.allclose(layer(frames), type(layer).forward(layer, frames), atol=1e-5)
    assert len(layers) == 52


@given(st.dictionaries(st.integers(0, 99), st.integers(1, 20).map(lambda grains: 50 * grains), max_size=40))
def test_every_voice_is_in_one_batch_and_none_is_too_large(lengths: dict[int, int]) -> None:
    """Batches hold each row once, rows of one length, and their frames are within the limit."""
    made = list(batches(lengths, 4_000))
    assert sorted(row for rows in made for row in rows) == sorted(lengths)
    assert all(sum(lengths[row] for row in rows) <= 4_000 for rows in made)
    assert all(len({lengths[row] for row in rows}) == 1 for rows in made)


def test_a_network_that_was_changed_is_not_run(tmp_path: Path) -> None:
    """Code that comes with weights runs only if it is, byte for byte, what was looked at."""
    (tmp_path / "camplusplus.py").write_text("raise SystemExit")
    with pytest.raises(GiveUp, match="scribe models pull campplus-zh-en"):
        network(tmp_path)
