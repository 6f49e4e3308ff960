"""Which model the bench runs on both sides: Whisper base on the CPU, a turbo-size one on a CUDA device."""

from collections.abc import Iterator
from ctypes import CDLL
from importlib.util import find_spec

import ctranslate2

from deploy.local.commands import ROOT
from deploy.local.faults import CannotRun
from shared import cublas
from shared.models import ModelStore, ModelUnavailable

CACHE = ROOT / ".scribe" / "cache"

DRIVER = "NVIDIA's driver, and a container started with it"

LIBRARIES = {"libcuda.so.1": DRIVER, "libnvidia-ml.so.1": DRIVER}
"""What CTranslate2 and the sampler of a GPU's busy share load besides cuBLAS, and where it comes from."""

MODULE, EXTRA = "pynvml", "nvidia-ml-py (pip install -e '.[gpu]')"
"""What the sampler imports, and where it comes from."""


def model(gpu: bool) -> str:
    """Return the model's name in the registry."""
    return "large-v3-turbo" if gpu else "base"


def device(gpu: bool) -> str:
    """Return the device in CTranslate2's word; raise CannotRun, with what is missing, if a GPU is asked for in vain."""
    if gpu and (missing := "; ".join(_missing())):
        raise CannotRun(f"GPU=1 cannot run here; missing: {missing}. Without GPU=1 the bench runs on the CPU")
    return "cuda" if gpu else "cpu"


def fetch(gpu: bool, models: ModelStore) -> None:
    """Have the model's files at hand before anything is timed; raise CannotRun if no source gives them."""
    try:
        models.fetch(model(gpu))
    except ModelUnavailable as why:
        raise CannotRun(str(why)) from None


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


def _missing() -> Iterator[str]:
    """Yield each thing that a GPU's bench needs and that is not here, with where it comes from."""
    if not ctranslate2.get_cuda_device_count():
        yield "a CUDA device that CTranslate2 finds"
    for library, source in LIBRARIES.items():
        try:
            CDLL(library)
        except OSError:
            yield f"{library} ({source})"
    if missing := cublas.load():
        yield f"{missing} ({cublas.REMEDY})"
    if find_spec(MODULE) is None:
        yield EXTRA
