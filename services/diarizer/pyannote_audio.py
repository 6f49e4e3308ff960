"""The one place that imports pyannote.audio, and what it takes to do so.

PyPI's torchaudio is built for CUDA: next to a CPU torch its compiled extension does not load, and then nothing of
torchaudio can be imported. pyannote needs only parts written in Python (resampling, Kaldi's filter banks), so an
empty module stands in for the extension, on every machine alike. torchcodec, which reads files, is not needed
either, as pyannote gets waveforms here. And pyannote reports each run to its makers unless told not to.
"""

import logging
import sys
import warnings
from types import ModuleType
from typing import Any

_without = ModuleType("torchaudio._extension")
vars(_without).update(_IS_TORCHAUDIO_EXT_AVAILABLE=False, fail_if_no_align=lambda function: function)
sys.modules.setdefault(_without.__name__, _without)

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
    from pyannote.audio import Model, Pipeline
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.models.segmentation import PyanNet
    from pyannote.audio.pipelines import SpeakerDiarization, clustering
    from pyannote.audio.telemetry import set_telemetry_metrics
    from pyannote.core import SlidingWindow, SlidingWindowFeature
    from torchaudio.compliance.kaldi import fbank

set_telemetry_metrics(enabled=False)

# It prints how many speakers it found if they are fewer than it was asked for; this process says all by logging.
vars(clustering)["print"] = logging.getLogger(clustering.__name__).info

__all__ = [
    "PLDA",
    "Model",
    "Pipeline",
    "PyanNet",
    "SlidingWindow",
    "SlidingWindowFeature",
    "SpeakerDiarization",
    "embedding",
    "fbank",
    "segmentation",
]


def segmentation(pipeline: Any) -> Any:
    """Return the inference that tells a pipeline who speaks when in a window."""
    return pipeline._segmentation  # noqa: SLF001 - pyannote has no other way to run a pipeline's legs by themselves


def embedding(pipeline: Any) -> Any:
    """Return what tells a pipeline how a voice sounds: called with waveforms and masks."""
    return pipeline._embedding  # noqa: SLF001 - as above
