"""The downloader as a whole: a real server, a real store, real speech, and everything that can go wrong."""

import hashlib
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.downloader.stage import RECEIVED, SILENT
from shared import pcm
from shared.mesh.outcomes import GiveUp, Stopped
from shared.options import Source
from tests.fakes.downloader import Desk, Serve, giving
from tests.recordings import RATE, SAMPLE, samples, write_wav


async def test_a_recording_is_fetched_decoded_and_cut(tmp_path: Path, serve: Serve) -> None:
    """The original and its PCM lie in the store, the hash is the original's, and speech is in chunks."""
    desk, whole, heard = Desk(tmp_path), SAMPLE.read_bytes(), list[float]()
    work = replace(desk.work(Source(url=await serve(giving(whole)))), progress=heard.append, attempt=3)
    made = await desk.prepare(work)
    assert made.pcm == f"jobs/acme/{work.job.id}/pcm.3"
    assert await desk.blobs.get(made.original) == whole
    assert await pcm.read(desk.blobs, made.pcm, 0, 30 * pcm.SAMPLE_BYTES * RATE) == samples().tobytes()
    assert (made.sha256, made.bytes) == (hashlib.sha256(whole).hexdigest(), len(whole))
    assert (made.duration, made.warnings, len(made.chunks)) == (30.0, (), 1)
    assert 6 < made.chunks[0].windows[0].start < 8
    assert (heard, heard[-1]) == (sorted(heard), 1.0)
    assert heard[0] <= RECEIVED


async def test_an_upload_is_taken_from_the_store(tmp_path: Path) -> None:
    """An object of the tenant's own uploads is as good as an address."""
    desk = Desk(tmp_path)
    await desk.blobs.put("uploads/acme/talk.wav", SAMPLE)
    assert (await desk.prepare(desk.work(Source(object="uploads/acme/talk.wav")))).duration == 30.0


@pytest.mark.parametrize(
    ("key", "said"), [("uploads/acme/none.wav", "nothing under"), ("uploads/other/a.wav", "no upload of tenant 'acme'")]
)
async def test_an_upload_that_is_not_there_or_not_theirs_is_given_up_on(tmp_path: Path, key: str, said: str) -> None:
    """The key is named; another tenant's upload is nobody's business."""
    desk = Desk(tmp_path)
    await desk.blobs.put("uploads/other/a.wav", SAMPLE)
    with pytest.raises(GiveUp, match=said) as refused:
        await desk.prepare(desk.work(Source(object=key)))
    assert key in refused.value.reason


async def test_silence_has_no_chunks_and_a_warning(tmp_path: Path, serve: Serve) -> None:
    """A recording without speech is prepared, with nothing to transcribe."""
    silence = write_wav(tmp_path / "silence.wav", np.zeros(5 * 16_000, np.int16)).read_bytes()
    made = await Desk(tmp_path).get(await serve(giving(silence)))
    assert (made.chunks, made.warnings, made.duration) == ((), (SILENT,), 5.0)


@pytest.mark.parametrize(
    ("body", "limits", "said"),
    [
        (b"", {}, "is empty"),
        (b"no sound " * 999, {}, "no format that can be read"),
        (SAMPLE.read_bytes(), {"max_duration": 20}, "SCRIBE_MAX_DURATION"),
    ],
)
async def test_a_recording_that_cannot_be_used_is_given_up_on_by_name(
    tmp_path: Path, serve: Serve, body: bytes, limits: dict[str, Any], said: str
) -> None:
    """Empty, unreadable and too long are told apart, and the recording is named."""
    place = await serve(giving(body))
    with pytest.raises(GiveUp, match=f"{place}/talk.mp3.*{said}"):
        await Desk(tmp_path, **limits).get(f"{place}/talk.mp3")


@pytest.mark.parametrize("at", [0.0, 0.41, 0.7])
async def test_a_stop_is_seen_while_receiving_decoding_and_hearing(tmp_path: Path, serve: Serve, at: float) -> None:
    """A cancelled job leaves off where it is."""
    desk, stop = Desk(tmp_path), threading.Event()
    work = desk.work(Source(url=await serve(giving(SAMPLE.read_bytes()))))

    def stopping(fraction: float) -> None:
        if fraction >= at:
            stop.set()

    if not at:
        stop.set()
    with pytest.raises(Stopped):
        await desk.prepare(replace(work, stop=stop, progress=stopping))
