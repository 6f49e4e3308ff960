"""Row 8: what a job spends on decoding, in all its stages, against one decode of its recording."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import av

import services.diarizer.stage
import services.downloader.preparation
import services.transcriber.audio
from services.downloader.decode import decode
from shared import pcm
from shared.transcript import Prepared
from tests.bench.client import TENANT
from tests.bench.front_desk import FrontDesk
from tests.bench.mp3 import mp3
from tests.bench.row import Measured, Row, Size
from tests.bench.speech import long
from tests.recordings import RATE

KEY = f"uploads/{TENANT}/talk.mp3"


async def run(size: Size) -> Measured:
    """Return CPU-seconds of both sides; that the samples are the same is part of it."""
    seconds, pairs = (60.0, 1) if size.small else (600.0, 5)
    path, measured = mp3(long(size.home, 1, seconds)[0].path), Measured()
    desk = FrontDesk(f"file://{size.home}/blobs", size.home / "work")
    await desk.blobs.put(KEY, path)
    spent: dict[str, float] = {}
    for _ in range(pairs):
        with _timed(spent, "decoding"):
            prepared = await desk.prepare(desk.work(KEY))
        await _read(desk, prepared, spent)
        began = time.thread_time()
        plain = plainly_decoded(path.read_bytes())
        peer = time.thread_time() - began
        assert plain == await pcm.read(desk.blobs, prepared.pcm, 0, len(plain))
        measured.add(sum(spent.values()), peer, sum(spent.values()) / peer)
    measured.beside = {"audio": f"{seconds:g} s of mp3, {pairs} times", "decodes a job": 1, "samples": "the same"}
    measured.beside |= {f"s in {name}": f"{each:.3f}" for name, each in spent.items()}
    return measured


def plainly_decoded(recording: bytes) -> bytes:
    """Return 16 kHz mono s16 samples, made with PyAV as its documentation does it."""
    plain, resampler = io.BytesIO(), av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(recording), "r") as container:
        for frame in container.decode(audio=0):
            frame.pts = None
            for resampled in resampler.resample(frame):
                plain.write(resampled.to_ndarray().tobytes())
    for resampled in resampler.resample(None):
        plain.write(resampled.to_ndarray().tobytes())
    return plain.getvalue()


async def _read(desk: FrontDesk, prepared: Prepared, spent: dict[str, float]) -> None:
    """Read the samples as the transcriber does, chunk by chunk, and as the diarizer does."""
    began = time.process_time()
    for chunk in prepared.chunks:
        await services.transcriber.audio.read(desk.blobs, prepared.pcm, chunk)
    spent["the transcriber's reading"] = time.process_time() - began
    began = time.process_time()
    await services.diarizer.stage.read(desk.work(KEY), prepared, desk.blobs, 0, round(prepared.duration * RATE))
    spent["the diarizer's reading"] = time.process_time() - began


@contextmanager
def _timed(spent: dict[str, float], name: str) -> Iterator[None]:
    """Note the CPU-seconds of the thread that decodes; raise ValueError if the job does not decode once."""
    calls: list[float] = []

    def timed(*given: Any) -> Any:
        began = time.thread_time()
        try:
            return decode(*given)
        finally:
            calls.append(time.thread_time() - began)

    with patch.object(services.downloader.preparation, "decode", timed):
        yield
    (spent[name],) = calls


ROW = Row(
    number=8,
    title="decode CPU-seconds per job (the downloader's decoding, the transcriber's and the diarizer's reading of the "
    "samples) against one plain decode with PyAV to the same samples",
    ours="CPU s",
    peer="CPU s",
    must=1.1,
    aim=1.0,
    run=run,
    better="less",
)
