"""Uploads: a form is read as it comes, its file goes straight to the object store, and half a file is none."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from services.gateway import body as bodies
from services.gateway.desk import Desk
from services.gateway.uploads import Upload
from tests.fakes.gateway import UPLOADS, House, gateway

BOUNDARY = "a7f3"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
LIMIT = 100_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Yield a gateway that takes files of up to 100,000 bytes."""
    async with gateway(tmp_path, max_upload=LIMIT) as open_house:
        yield open_house


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    """Return one part of a form."""
    named = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    """Return a whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


RECORDING = part("file", b"RIFF" * 1000, "talk.wav")
OPTIONS = part("options", b'{"language": "he", "num_speakers": 2}')


@pytest.mark.parametrize("body", [form(OPTIONS, RECORDING), form(RECORDING, OPTIONS)])
async def test_a_file_is_stored_and_becomes_its_jobs_source(house: House, body: bytes) -> None:
    """With its options before or behind it."""
    async with house.http.post("/v1/jobs", data=body, headers=FORM) as answer:
        assert answer.status == 202, await answer.text()
        job = house.store.jobs[(await answer.json())["id"]]
    assert (job.options.language, job.options.num_speakers) == ("he", 2)
    key = job.options.source.object
    assert key is not None
    assert key.startswith("uploads/default/")
    assert key.endswith("-talk.wav")
    assert await house.desk.blobs.get(key) == b"RIFF" * 1000


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "-.._.._etc_passwd"),
        ("הקלטה.mp3", "-_.mp3"),
        ("a" * 300 + ".wav", "a.wav"),
        ("", "-recording"),
        (None, "-recording"),
    ],
)
async def test_a_files_name_cannot_leave_its_folder(house: House, name: str | None, safe: str) -> None:
    """Of the name only harmless letters are left, and none at all is a name too."""
    async with house.http.post("/v1/jobs", data=form(part("file", b"x", name)), headers=FORM) as answer:
        assert answer.status == 202, await answer.text()
    (path,) = house.stored()
    assert path.parent == house.folder / "uploads" / "default"
    assert path.name.endswith(safe)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (form(part("file", b"", "a.wav"), OPTIONS), "file", "empty"),
        (form(OPTIONS), "file", "missing"),
        (form(OPTIONS, part("music", b"x")), "music", "not a part"),
        (form(RECORDING, RECORDING), "file", "once each"),
        (form(OPTIONS, OPTIONS, RECORDING), "options", "once each"),
        (form(part("options", b"{"), RECORDING), "options", "not JSON"),
        (form(part("options", b'{"source": {"url": "https://a.b/c"}}'), RECORDING), "source", "leave it out"),
        (form(part("options", b'{"colour": 1}'), RECORDING), "colour", "Extra inputs"),
        (OPTIONS + RECORDING, "body", "breaks off"),
        (OPTIONS + RECORDING[:-500], "body", "breaks off"),
        (f"--{BOUNDARY}\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--{BOUNDARY}--\r\n".encode(), "body", "not a part"),
        (b"RIFF" * 1000, "body", "well-formed"),
        (b"", "body", "breaks off"),
    ],
)
async def test_a_form_that_is_wrong_leaves_nothing_behind(house: House, body: bytes, field: str, said: str) -> None:
    """No job and no object; the answer names the part."""
    async with house.http.post("/v1/jobs", data=body, headers=FORM) as answer:
        (error,) = (await answer.json())["errors"]
    assert (answer.status, error["field"]) == (422, field)
    assert said in error["error"]
    assert not house.store.jobs
    assert not house.stored()


@pytest.mark.parametrize(("options", "field"), [(b'{"colour": 1}', "colour"), (b"{", "options")])
async def test_wrong_options_behind_the_file_take_the_file_with_them(house: House, options: bytes, field: str) -> None:
    """It was stored before they came, and would be nobody's."""
    async with house.http.post("/v1/jobs", data=form(RECORDING, part("options", options)), headers=FORM) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, field)
    assert not house.store.jobs
    assert not house.stored()


@pytest.mark.parametrize("same", [{"idempotency_key": "meeting-17"}, {"id": str(uuid4())}])
async def test_a_file_that_is_sent_again_is_kept_once(house: House, same: dict[str, str]) -> None:
    """The job has the first one; the second would be nobody's."""
    body = form(part("options", json.dumps(same).encode()), RECORDING)
    answers = []
    for _ in range(2):
        async with house.http.post("/v1/jobs", data=body, headers=FORM) as answer:
            assert answer.status == 202, await answer.text()
            answers.append(await answer.json())
    assert answers[0] == answers[1]
    key = house.store.jobs[answers[0]["id"]].options.source.object
    assert [f"{path.relative_to(house.folder)}" for path in house.stored()] == [key]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_file_that_is_too_large_is_refused(house: House, announced: bool) -> None:
    """From its announced length, or once it has come that far; nothing of it is kept."""
    body = form(part("file", b"x" * (LIMIT * 5), "a.wav"))

    async def piecemeal() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    async with house.http.post("/v1/jobs", data=body if announced else piecemeal(), headers=FORM) as answer:
        assert answer.status == 413, await answer.text()
        assert "SCRIBE_GATEWAY_MAX_UPLOAD" in await answer.text()
    assert not house.stored()


async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a recording must not be taken for one; nor is it an error of the gateway's."""
    upload, over = Desk.upload, asyncio.Event()

    async def noted(desk: Desk, *asked: Any) -> Any:
        try:
            return await upload(desk, *asked)
        finally:
            over.set()

    async def half() -> AsyncIterator[bytes]:
        yield OPTIONS + RECORDING[:2000]
        raise ConnectionAbortedError

    monkeypatch.setattr(Desk, "upload", noted)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await house.http.post("/v1/jobs", data=half(), headers=FORM)
    async with asyncio.timeout(60):
        await over.wait()
    async with house.http.get("/health") as answer:
        assert answer.status == 200
    assert not house.store.jobs
    assert not house.stored()
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


@pytest.mark.parametrize("kind", [FORM, {"Content-Type": "application/json"}])
async def test_a_client_that_falls_silent_is_not_waited_for(
    house: House, kind: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection can be dead without having ended; nothing of what it brought is kept."""
    monkeypatch.setattr(bodies, "IDLE_SECONDS", 0.2)

    async def half() -> AsyncIterator[bytes]:
        yield OPTIONS + RECORDING[:2000]
        await asyncio.Event().wait()

    async with asyncio.timeout(10), house.http.post("/v1/jobs", data=half(), headers=kind) as answer:
        assert (answer.status, "send it again" in await answer.text()) == (408, True)
    assert not house.store.jobs
    assert not house.stored()


async def test_no_more_come_at_once_than_fit(house: House) -> None:
    """Each holds memory; a place is free again when its upload is over."""
    begun, go = [asyncio.Event() for _ in range(UPLOADS)], asyncio.Event()

    async def slow(number: int) -> AsyncIterator[bytes]:
        yield RECORDING[:2000]
        begun[number].set()
        await go.wait()
        yield RECORDING[2000:] + form()

    async def status(body: bytes | AsyncIterator[bytes]) -> int:
        async with house.http.post("/v1/jobs", data=body, headers=FORM) as answer:
            return answer.status

    going = [asyncio.create_task(status(slow(number))) for number in range(UPLOADS)]
    await asyncio.gather(*(each.wait() for each in begun))
    assert await status(form(RECORDING)) == 429
    go.set()
    assert await asyncio.gather(*going) == [202] * UPLOADS
    assert await status(form(RECORDING)) == 202


@pytest.mark.parametrize("cut", [1, 7, 64])
async def test_a_form_may_come_in_pieces_of_any_size(cut: int) -> None:
    """A boundary or a header that is split is still one."""
    body = form(OPTIONS, RECORDING)

    async def received() -> AsyncIterator[bytes]:
        for start in range(0, len(body), cut):
            yield body[start : start + cut]

    upload = Upload(FORM["Content-Type"], 0, received(), LIMIT)
    assert b"".join([piece async for piece in upload.pieces()]) == b"RIFF" * 1000
    assert (upload.filename, upload.options) == ("talk.wav", b'{"language": "he", "num_speakers": 2}')


async def test_a_file_is_never_held_whole() -> None:
    """Two hundred megabytes go through in less than two."""
    chunk, chunks = b"x" * 65_536, 3_200

    async def received() -> AsyncIterator[bytes]:
        yield RECORDING[: -len(b"\r\n")]
        for _ in range(chunks):
            yield chunk
        yield b"\r\n" + f"--{BOUNDARY}--\r\n".encode()

    tracemalloc.start()
    upload = Upload(FORM["Content-Type"], 0, received(), 1 << 30)
    size = sum([len(piece) async for piece in upload.pieces()])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 4000 + chunks * len(chunk)
    assert most < 2_000_000
