"""The downloader announces chunks while their recording still comes in, and knows them again."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.downloader import announcing as module
from services.downloader.announcing import Announcing
from services.downloader.growing import Growing
from services.downloader.plan import Run
from services.downloader.voice import Heard
from shared import pcm
from shared.jobs.document import Announced
from shared.mesh.outcomes import TryLater
from shared.mesh.work import Work
from shared.options import Source
from shared.transcript import Cut
from tests.fakes.downloader import Desk, Serve, broken_off, in_two
from tests.fakes.jobs import new_job
from tests.recordings import RATE, looped


def sound_of(tmp_path: Path, times: int) -> bytes:
    """Return a recording in which the sample is heard so many times, each behind a second of silence."""
    return looped(tmp_path / "talk.wav", times, 1.0).read_bytes()


async def test_the_first_chunk_is_announced_while_the_recording_still_comes_in(tmp_path: Path, serve: Serve) -> None:
    """The server gives the second half only after a chunk of the first was announced; its sound can be read by then."""
    onward, loop, parts = asyncio.Event(), asyncio.get_running_loop(), list[Cut]()
    desk = Desk(tmp_path, chunk_seconds=60)

    def announced(part: Cut) -> None:
        parts.append(part)
        loop.call_soon_threadsafe(onward.set)

    body = sound_of(tmp_path, 20)
    work = desk.work(Source(url=await serve(in_two(body, onward))))
    async with asyncio.timeout(240):
        made = await desk.prepare(replace(work, announce=announced))
    first = parts[0]
    assert 1 <= len(first.chunks) == len(first.digests) < len(made.chunks)
    assert made.chunks[: len(first.chunks)] == first.chunks
    assert made.digests == parts[-1].digests
    assert made.digests[: len(first.digests)] == first.digests
    end = round(first.chunks[-1].end * RATE) * pcm.SAMPLE_BYTES
    assert len(await pcm.read(desk.blobs, first.pcm, 0, end)) == end


async def test_a_recording_prepared_again_has_the_digests_of_what_was_announced(tmp_path: Path) -> None:
    """From the same bytes they are the same, also where only the first attempt announced; else not."""
    desk, key, parts = Desk(tmp_path, chunk_seconds=30), "uploads/acme/talk.wav", list[Cut]()
    await desk.blobs.put(key, sound_of(tmp_path, 10))
    work = desk.work(Source(object=key))
    first = await desk.prepare(replace(work, announce=parts.append))
    assert parts
    before = Announced(attempt=1, digests=(*parts[-1].digests, "of one chunk more"))
    again = replace(work, job=work.job.model_copy(update={"announced": before}), attempt=2)
    second = await desk.prepare(again)
    assert second.chunks == first.chunks
    assert second.digests[:-1] == first.digests == parts[-1].digests
    assert len(second.digests) == len(before.digests)
    louder = np.frombuffer(sound_of(tmp_path, 10), np.int16).copy()
    louder[30_000:] //= 2
    await desk.blobs.put(key, louder.tobytes())
    assert (await desk.prepare(again)).digests[0] != first.digests[0]


def test_more_is_announced_when_twice_as_much_is_heard_as_was_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """27 minutes that are heard in no time: of as many chunks as there are, few announcements tell early."""
    monkeypatch.setattr(module, "AGAIN_SECONDS", 3_600.0)  # this machine may be slow
    parts, told = list[Cut](), list[tuple[int, int]]()
    with Growing(tmp_path) as decoded:
        decoded.write(bytes(1_600 * RATE * pcm.SAMPLE_BYTES))
        moved = new_job()
        announcing = Announcing(Work(moved.job, moved.steps[0], announce=parts.append), "pcm", decoded, 180.0)
        announcing.stored = decoded.size
        for seconds in range(32, 1_600, 32):
            runs = [Run(start * RATE, (start + 25) * RATE) for start in range(0, seconds - 26, 26)]
            before = len(parts)
            announcing.hear(Heard(seconds * RATE, runs, seconds * RATE))
            told += [(seconds, len(part.chunks)) for part in parts[before:]]
    assert told == [(192, 1), (352, 2), (640, 3), (960, 5), (1_568, 9)]


@pytest.mark.parametrize("times", [1, 8])
async def test_a_recording_that_is_heard_as_soon_announces_nothing(tmp_path: Path, times: int) -> None:
    """One chunk, or little left to hear when the first is final: the commit says it all, and no digest is made."""
    desk, key, parts = Desk(tmp_path), "uploads/acme/talk.wav", list[Cut]()
    await desk.blobs.put(key, sound_of(tmp_path, times))
    made = await desk.prepare(replace(desk.work(Source(object=key)), announce=parts.append))
    assert (len(made.chunks), parts, made.digests) == (1 + times // 8, [], ())


@pytest.mark.parametrize("target", [60, 1_200])
async def test_a_step_that_fails_leaves_the_sound_that_it_announced_and_no_other(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, target: int
) -> None:
    """The server breaks off: what a transcriber may be reading stays, what nobody was told of does not."""
    body, desk, parts = sound_of(tmp_path, 20), Desk(tmp_path, chunk_seconds=target), list[Cut]()
    loop, onward, put = asyncio.get_running_loop(), asyncio.Event(), desk.blobs.put

    def announced(part: Cut) -> None:
        parts.append(part)
        loop.call_soon_threadsafe(onward.set)

    async def stored(key: str, data: Any) -> None:
        await put(key, data)
        if target > 60 and key.endswith(pcm.slice_key("", 1)):
            onward.set()

    monkeypatch.setattr(desk.blobs, "put", stored)
    work = desk.work(Source(url=await serve(broken_off(body, onward))))
    with pytest.raises(TryLater, match="could not be fetched"):
        await desk.prepare(replace(work, announce=announced))
    left = [path for path in (tmp_path / "blobs").rglob("*.s16") if path.is_file()]
    assert bool(left) == bool(parts) == (target == 60)


async def test_a_store_that_cannot_delete_hides_not_how_the_step_ended(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The source's failure goes up the ladder as itself, and the other one into the log."""

    async def refuse(key: str) -> None:
        raise PermissionError(key)

    onward, desk = asyncio.Event(), Desk(tmp_path, chunk_seconds=1_200)
    onward.set()
    monkeypatch.setattr(desk.blobs, "delete", refuse)
    with pytest.raises(TryLater, match="could not be fetched"):
        await desk.prepare(desk.work(Source(url=await serve(broken_off(sound_of(tmp_path, 20), onward)))))
    assert "is left behind" in caplog.text
