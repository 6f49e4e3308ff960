"""cuBLAS for CTranslate2: found in the wheel or where the loader looks, and named when it is neither here nor there."""

import subprocess
import sys
import tomllib
from importlib.metadata import files
from pathlib import Path

import pytest

from shared import cublas

IN_A_WHEEL = """
import sys
from ctypes import CDLL
from shared import cublas

name = sys.argv[1]
try:
    CDLL(name)
except OSError:
    cublas.LIBRARIES, cublas.WHEEL = (name,), "ctranslate2"
    print(cublas.load(), CDLL(name)._name == name)
"""


def test_what_a_wheel_brings_is_found_by_its_name_once_it_is_loaded() -> None:
    """With a real library of a wheel that is installed here, which the loader does not find before."""
    name = next(file.name for file in files("ctranslate2") or () if file.name.startswith("libgomp"))
    script = [sys.executable, "-c", IN_A_WHEEL, name]
    done = subprocess.run(script, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    assert done.stdout == "None True\n"


def test_the_systems_library_does_where_there_is_no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a driver's own CUDA, or an LD_LIBRARY_PATH."""
    monkeypatch.setattr(cublas, "WHEEL", "no-such-wheel")
    monkeypatch.setattr(cublas, "LIBRARIES", ("libc.so.6",))
    assert cublas.load() is None


def test_a_library_that_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the loader's words."""
    monkeypatch.setattr(cublas, "LIBRARIES", ("libc.so.6", "libnone.so.12"))
    assert "libnone.so.12" in (cublas.load() or "")


def test_the_extra_for_a_gpu_brings_the_wheel() -> None:
    """At one version, which is the only one that is spelt anywhere."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert [each for each in project["optional-dependencies"]["gpu"] if each.startswith(f"{cublas.WHEEL}==12.")]
