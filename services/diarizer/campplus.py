"""CAM++ as pyannote's speaker embedding: 192 numbers for a voice.

The network (Wang et al. 2023, https://arxiv.org/abs/2303.00332) comes with its weights and is loaded from there.
Features are Kaldi's 80 filter banks at 10 ms, less their mean over the crop, as it was trained on.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from importlib.abc import InspectLoader
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, interpolate

from services.diarizer.precision import quick
from services.diarizer.pyannote_audio import Model, fbank
from shared import pcm
from shared.mesh.outcomes import GiveUp
from shared.models import REGISTRY
from shared.transcript import SAMPLE_RATE

NAME = "campplus-zh-en"
DIMENSION = 192
FILTERS = 80
SHORTEST_FRAMES = 20
"""Fewer frames of 10 ms say nothing about a voice."""

SHORTEST_SAMPLES = round(SAMPLE_RATE * (0.010 * (SHORTEST_FRAMES - 1) + 0.025))

GRAIN_FRAMES = 50
"""Crops begin again up to a multiple of this, and run with others of their length: alone or beside others, a voice is
the same. On a CPU lengths of their own cost as much as the frames that this adds."""

FRAMES_AT_ONCE = {"cpu": 4_000, "cuda": 64_000}
"""Frames in one run of the network. The voices of 124 s took one thread of a CPU 3.0, 2.8 and 2.9 s at 2,000, 4,000
and 8,000 frames."""

ACTIVE = 0.5

MASKED_FRAMES = 100
"""Of half the rate: what the network's context-aware masks are made for, in its paper and in its code."""


class CamPlusPlus(Model):
    """The network as a pyannote model, read from the folder of the registry's `campplus-zh-en`."""

    dimension = DIMENSION

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.network = network(folder)

    def forward(self, waveforms: Tensor, weights: Tensor | None = None) -> Tensor:  # type: ignore[override]  # as pyannote's own embeddings do
        """Return (batch, 192) voices of (batch, 1, samples) where (batch, frames) weights exceed ACTIVE.

        A row is NaN where that is less than SHORTEST_FRAMES. Raises ValueError if all samples are, by which pyannote
        finds out how much speech it must leave when it leaves out overlaps.
        """
        if waveforms.shape[-1] < SHORTEST_SAMPLES:
            raise ValueError(f"a voice needs {SHORTEST_SAMPLES} samples, here are {waveforms.shape[-1]}")
        features = _features(waveforms[:, 0])
        crops = _crops(features, torch.ones_like(features[..., 0]) if weights is None else weights)
        voices = features.new_full((len(waveforms), DIMENSION), torch.nan)
        lengths = {row: len(crop) for row, crop in crops.items()}
        with quick(features.device):  # once for all batches: it keeps the weights that it has rounded
            for rows in batches(lengths, FRAMES_AT_ONCE[features.device.type]):
                voices[rows] = self.network(torch.stack([crops[row] for row in rows])).float()
        return voices


def batches(lengths: dict[int, int], at_once: int) -> Iterator[list[int]]:
    """Yield lists of rows of one length, which together stay within `at_once` frames unless one row alone does not."""
    for length in sorted(set(lengths.values())):
        rows = [row for row in lengths if lengths[row] == length]
        count = max(1, at_once // length)
        yield from (rows[first : first + count] for first in range(0, len(rows), count))


def _features(waveforms: Tensor) -> Tensor:
    """Return the (batch, frames, 80) filter banks; pyannote repeats a window for each of its speakers."""
    windows, of_row = torch.unique_consecutive(waveforms * pcm.FULL_SCALE, dim=0, return_inverse=True)
    banks = [fbank(window[None], num_mel_bins=FILTERS, sample_frequency=SAMPLE_RATE) for window in windows]
    return torch.stack(banks)[of_row]


def _crops(features: Tensor, weights: Tensor) -> dict[int, Tensor]:
    """Return, by row with enough of them, the frames whose weight exceeds ACTIVE, less their mean.

    They begin again, as in the network's own training, up to the next multiple of GRAIN_FRAMES.
    """
    masks = interpolate(weights[:, None], size=features.shape[1], mode="nearest")[:, 0] > ACTIVE
    rows = torch.nonzero(masks.sum(dim=1) >= SHORTEST_FRAMES)[:, 0].tolist()
    crops = {row: features[row][masks[row]] for row in rows}
    return {row: _lengthened(crop - crop.mean(dim=0)) for row, crop in crops.items()}


def _lengthened(crop: Tensor) -> Tensor:
    length = -(-len(crop) // GRAIN_FRAMES) * GRAIN_FRAMES
    return crop[torch.arange(length, device=crop.device) % len(crop)]


def _masked(layer: Any, frames: Tensor) -> Tensor:
    """Return what the network's masks leave of (batch, channels, frames): it has one for each MASKED_FRAMES of them.

    The network's own code lays the same mask out for each frame and computes them all.
    """
    context = frames.mean(-1, keepdim=True) + avg_pool1d(frames, MASKED_FRAMES, MASKED_FRAMES, ceil_mode=True)
    mask = layer.sigmoid(layer.linear2(layer.relu(layer.linear1(context))))
    local: Tensor = layer.linear_local(frames)
    local *= mask.repeat_interleave(MASKED_FRAMES, dim=-1)[..., : local.shape[-1]]
    return local


class _Checked(InspectLoader):
    """Loads a source text that was checked, and never the bytecode that may lie beside it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, _fullname: str) -> str:
        return self._text


def network(folder: Path) -> torch.nn.Module:
    """Return CAM++ with its weights; raise GiveUp if the folder's network is not the one that was looked at."""
    source = (folder / "camplusplus.py").read_bytes()
    if hashlib.sha256(source).hexdigest() != REGISTRY[NAME].sha256("camplusplus.py"):
        raise GiveUp(f"'{folder / 'camplusplus.py'}' was changed; delete '{folder}', type: scribe models pull {NAME}")
    loader = _Checked(source.decode())
    module = ModuleType("camplusplus")
    loader.exec_module(module)
    made = module.CAMPPlus(feat_dim=FILTERS, embedding_size=DIMENSION)
    # The paper's network ends in a bare normalisation. This copy of it adds a ReLU, with which people are harder to
    # tell apart (the sample's two are alike by 0.55 instead of 0.37, as cosine). It has no weights: leave it out.
    made.xvector.dense.nonlinear.relu = torch.nn.Identity()
    for layer in made.modules():
        if isinstance(layer, module.CAMLayer):
            layer.forward = partial(_masked, layer)
    made.head.to(memory_format=torch.channels_last)  # its convolutions are quicker so on a CPU
    made.load_state_dict(torch.load(folder / "campplus_cn_en_common.pt", weights_only=True))
    return cast("torch.nn.Module", made.eval())
