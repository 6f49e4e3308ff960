"""cuBLAS 12, which CTranslate2 asks the system's loader for when it first multiplies matrices on a GPU.

The loader looks into no Python package, and torch brings another version. But what a process has loaded once is found
again by its name, wherever it lies: loaded in time, the wheel's needs no LD_LIBRARY_PATH.
"""

from ctypes import CDLL
from importlib.metadata import distributions

LIBRARIES = ("libcublasLt.so.12", "libcublas.so.12")
"""In this order: the second one needs the first."""

WHEEL = "nvidia-cublas-cu12"
"""What brings them from PyPI; the extra `gpu` says which version."""

REMEDY = "type: make setup GPU=1 (or build the images with deploy/compose.gpu.yml)"


def load() -> str | None:
    """Load both for as long as this process lives, the wheel's if it is installed; return what is missing, or None."""
    try:
        for library in LIBRARIES:
            CDLL(_place(library))
    except OSError as missing:
        return str(missing)
    return None


def _place(library: str) -> str:
    """Return where the wheel has the library; without the wheel its mere name, by which the system's is found."""
    inside = (file for wheel in distributions(name=WHEEL) for file in wheel.files or () if file.name == library)
    return next((str(file.locate()) for file in inside), library)
