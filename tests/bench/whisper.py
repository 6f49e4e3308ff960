"""Which model the bench runs on both sides: Whisper base on the CPU, a turbo-size one on a CUDA device."""

from deploy.local.commands import ROOT

CACHE = ROOT / ".scribe" / "cache"


def model(gpu: bool) -> str:
    """Return the model's name in the registry."""
    return "large-v3-turbo" if gpu else "base"


def device(gpu: bool) -> str:
    """Return the device in CTranslate2's word."""
    return "cuda" if gpu else "cpu"


def compute_type(gpu: bool) -> str:
    """Return what the transcriber chooses on that device."""
    return "float16" if gpu else "int8"


def environment(gpu: bool) -> dict[str, str]:
    """Return the variables that tell the mesh the same."""
    return {
        "SCRIBE_CACHE": str(CACHE),
        "SCRIBE_TRANSCRIBER_DEVICE": device(gpu),
        "SCRIBE_TRANSCRIBER_MODEL": model(gpu),
    }
