"""The peer: bare faster-whisper in a process of its own on the same cores, with the mesh's own model."""

import json
import sys
from asyncio import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from deploy.local.commands import ROOT
from shared.cores import cores
from shared.models import ModelStore
from tests.bench.speech import Recording
from tests.bench.whisper import CACHE, compute_type, device, model

LINE_BYTES = 1 << 24


@dataclass(frozen=True)
class Heard:
    """The seconds that the peer took, and the text of each recording."""

    seconds: float
    texts: list[str]


class Peer:
    """Open with `async with`: a process that has loaded the model; on the CPU it computes in int8, as the mesh does."""

    def __init__(self, gpu: bool, threads: int | None = None) -> None:
        self._gpu = gpu
        self._threads = cores() if threads is None else threads

    async def __aenter__(self) -> Self:
        path = ModelStore(CACHE / "models").fetch(model(self._gpu))
        words = (str(path), device(self._gpu), compute_type(self._gpu), str(self._threads))
        self._process = await subprocess.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.bare", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            limit=LINE_BYTES,
        )
        await self._line()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pipe.close()
        await self._process.wait()

    async def transcribe(
        self,
        recordings: Sequence[Recording],
        *,
        batch: int = 0,
        words: bool = False,
        clips: list[dict[str, float]] | None = None,
    ) -> Heard:
        """Return what it hears: in batches of so many windows, or one window after the other if `batch` is 0."""
        files = [str(recording.path) for recording in recordings]
        asked = {"files": files, "batch": batch, "words": words, "clips": clips}
        self._pipe.write(json.dumps(asked).encode() + b"\n")
        await self._pipe.drain()
        return Heard(**await self._line())

    @property
    def _pipe(self) -> Any:
        return self._process.stdin

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise AssertionError(f"bare faster-whisper ended with code {await self._process.wait()}; it said why above")
        return dict(json.loads(line))
