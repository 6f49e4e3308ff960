"""The downloader's parts side by side: what comes of them is what comes of one after the other."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from services.downloader import plan
from services.downloader.decode import decode
from services.downloader.progress import Progress
from services.downloader.stage import RECEIVED
from services.downloader.voice import speech
from shared import pcm
from shared.mesh.outcomes import GiveUp, TryLater
from shared.options import Source
from shared.transcript import SAMPLE_RATE
from tests.fakes.downloader import Desk, Serve, broken_off, in_two
from tests.recordings import RATE, looped, samples

TIMES = 5
"""Two and a half minutes: some megabytes, and several pieces for whoever reads, decodes and hears them."""

KINDS = [("mp3", "libmp3lame"), ("mp4", "aac"), ("matroska", "flac"), ("wav", "pcm_s16le"), ("ogg", "libopus")]
"""Of these, mp4 keeps its index at its end."""


def quiet(*_: object) -> None:
    """Neither stop nor listen."""


@cache
def encoded(kind: str, codec: str) -> bytes:
    """Return the sample, several times over, in stereo at 48 kHz."""
    rate = 48_000
    file, talk = io.BytesIO(), np.tile(samples(), TIMES)
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format=stream.format.name, layout="stereo", rate=rate)
        for at in range(0, len(talk), RATE):
            frame = av.AudioFrame.from_ndarray(talk[None, at : at + RATE], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return file.getvalue()


def when(fraction: float, event: asyncio.Event) -> Callable[[float], None]:
    """Return what hears progress, from any thread, and sets the event once it exceeds the fraction."""
    loop = asyncio.get_running_loop()

    def heard(done: float) -> None:
        if done > fraction:
            loop.call_soon_threadsafe(event.set)

    return heard


def test_progress_is_the_sum_of_the_parts_that_never_falls_and_leaves_out_what_is_too_little_to_tell() -> None:
    """A thousandth is the least that is told, but for a part that is done."""
    told = list[float]()
    progress = Progress(told.append)
    one, other = progress.part("one", 0.25), progress.part("other", 0.75)
    for part, fractions in ((one, [0.5]), (other, [0.5, 0.25]), (one, [0.503, 0.999, 1.0]), (other, [1.0])):
        for fraction in fractions:
            part(fraction)
    assert told == pytest.approx([0.125, 0.5, 0.62475, 0.625, 1.0])


@pytest.mark.parametrize(("kind", "codec", "stated"), [*((*each, True) for each in KINDS), (*KINDS[0], False)])
async def test_side_by_side_makes_what_one_after_the_other_makes(
    tmp_path: Path, serve: Serve, kind: str, codec: str, stated: bool
) -> None:
    """The samples are the same, byte by byte, and so are the chunks, whether or not the server states the size."""
    body, desk, onward = encoded(kind, codec), Desk(tmp_path, chunk_seconds=30), asyncio.Event()
    if not stated:
        onward.set()
    work = desk.work(Source(url=await serve(in_two(body, onward, stated))))
    made = await desk.prepare(replace(work, progress=when(RECEIVED / 4, onward)))
    whole = io.BytesIO()
    sound = decode(io.BytesIO(body), whole, 1_000, quiet, quiet)
    asked = work.job.options.vad
    *_, heard = speech(io.BytesIO(whole.getvalue()), asked.threshold)
    assert await pcm.read(desk.blobs, made.pcm, 0, len(whole.getvalue())) == whole.getvalue()
    assert await desk.blobs.get(made.original) == body
    assert made.chunks == plan.chunks(heard.runs, sound.samples, asked, 30)
    assert (made.duration, made.warnings) == (sound.samples / SAMPLE_RATE, sound.warnings)
    assert len(made.chunks) >= TIMES


async def test_decoding_and_hearing_begin_before_the_recording_is_in(tmp_path: Path, serve: Serve) -> None:
    """The server gives the second half only after something of the first has been decoded."""
    onward = asyncio.Event()
    body = looped(tmp_path / "talk.wav", 8, 0.0).read_bytes()
    desk = Desk(tmp_path)
    work = desk.work(Source(url=await serve(in_two(body, onward))))
    async with asyncio.timeout(120):
        made = await desk.prepare(replace(work, progress=when(RECEIVED / 2 + 0.01, onward)))
    assert made.duration == 8 * 30.0


async def test_an_upload_is_decoded_while_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store gives the second half only after something of the first has been decoded."""
    onward, desk, key = asyncio.Event(), Desk(tmp_path), "uploads/acme/talk.wav"
    body = looped(tmp_path / "talk.wav", 8, 0.0).read_bytes()
    await desk.blobs.put(key, body)

    async def halves(_: str) -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        await onward.wait()
        yield body[len(body) // 2 :]

    monkeypatch.setattr(desk.blobs, "stream", halves)
    work = desk.work(Source(object=key))
    async with asyncio.timeout(120):
        made = await desk.prepare(replace(work, progress=when(RECEIVED / 2 + 0.01, onward)))
    assert made.duration == 8 * 30.0


@pytest.mark.parametrize("stated", [True, False])
async def test_what_cannot_be_read_is_not_fetched_to_its_end(tmp_path: Path, serve: Serve, stated: bool) -> None:
    """A server that never gives the rest keeps nobody waiting once the beginning is known to be no recording."""
    body = b"no sound " * 1_000_000
    desk = Desk(tmp_path, max_idle_seconds=600)
    step = asyncio.create_task(desk.get(await serve(in_two(body, asyncio.Event(), stated))))
    done, _ = await asyncio.wait({step}, timeout=120)
    assert done
    with pytest.raises(GiveUp, match="no format that can be read"):
        await step


async def test_a_body_that_breaks_off_while_it_is_decoded_leaves_nothing(tmp_path: Path, serve: Serve) -> None:
    """Half a recording is asked for again, and neither half of its bytes nor half of its sound is kept."""
    body = looped(tmp_path / "talk.wav", 8, 0.0).read_bytes()
    onward, desk = asyncio.Event(), Desk(tmp_path)
    work = desk.work(Source(url=await serve(broken_off(body, onward))))
    with pytest.raises(TryLater, match="could not be fetched"):
        await desk.prepare(replace(work, progress=when(RECEIVED / 2 + 0.01, onward)))
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


async def test_a_cancelled_step_ends_its_threads(tmp_path: Path, serve: Serve) -> None:
    """Cancelled while it waits for a server, the step ends at once and not when the server's silence was too long."""
    body = looped(tmp_path / "talk.wav", 8, 0.0).read_bytes()
    decoding, desk = asyncio.Event(), Desk(tmp_path)
    work = desk.work(Source(url=await serve(in_two(body, asyncio.Event()))))
    step = asyncio.create_task(desk.prepare(replace(work, progress=when(RECEIVED / 2 + 0.01, decoding))))
    await decoding.wait()
    step.cancel()
    done, _ = await asyncio.wait({step}, timeout=60)
    assert done
    assert step.cancelled()
