"""Which model the bench runs on both sides: Whisper base on the CPU, a turbo-size one on a CUDA device."""

from ctypes import CDLL

import ctranslate2

from deploy.local.commands import ROOT
from deploy.local.faults import CannotRun

CACHE = ROOT / ".scribe" / "cache"

LIBRARIES = ("libcuda.so.1", "libcublas.so.12", "libcudnn.so.9")
"""What CTranslate2 loads when it computes on CUDA: the driver's library, and two that pip or the system installs."""


def model(gpu: bool) -> str:
    """Return the model's name in the registry."""
    return "large-v3-turbo" if gpu else "base"


def device(gpu: bool) -> str:
    """Return the device in CTranslate2's word; raise CannotRun, with what is missing, if a GPU is asked for in vain."""
    if gpu and not ctranslate2.get_cuda_device_count():
        missing = ", ".join(filter(_missing, LIBRARIES)) or "no library"
        raise CannotRun(f"GPU=1: CTranslate2 finds no CUDA device here; missing: {missing}; run the bench without it")
    return "cuda" if gpu else "cpu"


def compute_type(gpu: bool) -> str:
    """Return what the transcriber chooses on that device."""
    return "float16" if gpu else "int8"


def environment(gpu: bool) -> dict[str, str]:
    """Return the variables that tell the mesh the same; raise CannotRun as `device` does."""
    return {
        "SCRIBE_CACHE": str(CACHE),
        "SCRIBE_TRANSCRIBER_DEVICE": device(gpu),
        "SCRIBE_TRANSCRIBER_MODEL": model(gpu),
    }


def _missing(library: str) -> bool:
    try:
        CDLL(library)
    except OSError:
        return True
    return False
