"""The downloader as a whole: a real server, a real store, real speech, and everything that can go wrong."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.fernet import Fernet
from pydantic import SecretStr

from services.downloader.fetch import Fetcher
from services.downloader.settings import DownloaderSettings
from services.downloader.stage import RECEIVED, SILENT, prepare
from shared.addresses import AddressGuard
from shared.blobs import ObjectStore
from shared.mesh.outcomes import GiveUp, Stopped, TryLater
from shared.mesh.work import Work
from shared.options import Source
from shared.seal import Seal, shown
from shared.transcript import Prepared
from tests.fakes.jobs import new_job
from tests.recordings import SAMPLE, samples, write_wav

KEY = SecretStr(Fernet.generate_key().decode())
LOOPBACK = ip_network("127.0.0.0/8")

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Answer], Awaitable[str]]


@pytest_asyncio.fixture(loop_scope="session")
async def serve() -> AsyncIterator[Serve]:
    """Yield what starts a server on loopback with one answer to everything, and returns its address."""
    servers: list[TestServer] = []

    async def start(answer: Answer) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        return str(servers[-1].make_url(""))

    yield start
    for server in servers:
        await server.close()


class Desk:
    """A downloader with its store and its work folder; `limits` are settings."""

    def __init__(self, folder: Path, *, open_loopback: bool = True, **limits: Any) -> None:
        self.blobs = ObjectStore(f"file://{folder}/blobs")
        self.folder = folder / "work"
        networks = (LOOPBACK,) if open_loopback else ()
        self.settings = DownloaderSettings(
            seal_key=KEY, allowed_networks=networks, work_dir=self.folder, **{"max_idle_seconds": 5.0, **limits}
        )
        self.fetcher = Fetcher(AddressGuard(networks), self.settings.max_redirects, self.settings.max_idle_seconds)

    def work(self, source: Source, **options: Any) -> Work:
        """Return a job's first step, its source sealed as intake does it."""
        moved = new_job(source=shown(source).model_dump(exclude_defaults=True), **options)
        sealed = Seal(KEY).seal(source) if source.url else None
        return Work(moved.job.model_copy(update={"sealed": sealed}), moved.steps[0])

    async def prepare(self, work: Work) -> Prepared:
        """Do the step; whatever comes of it, nothing is left in the work folder."""
        try:
            return await prepare(work, self.fetcher, self.blobs, Seal(KEY).open, self.settings)
        finally:
            assert not list(self.folder.iterdir())

    async def get(self, url: str, headers: dict[str, str] | None = None) -> Prepared:
        """Do the step for an address."""
        return await self.prepare(self.work(Source(url=url, headers=headers or {})))


def giving(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Return an answer that is always the same."""

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=body, status=status, headers=headers)

    return answer


def leading_to(place: str) -> Answer:
    """Return an answer that redirects."""
    return giving(b"", 302, {"Location": place})


async def test_a_recording_is_fetched_decoded_and_cut(tmp_path: Path, serve: Serve) -> None:
    """The original and its PCM lie in the store, the hash is the original's, and speech is in chunks."""
    desk, whole, heard = Desk(tmp_path), SAMPLE.read_bytes(), list[float]()
    work = replace(desk.work(Source(url=await serve(giving(whole)))), progress=heard.append, attempt=3)
    made = await desk.prepare(work)
    assert made.pcm == f"jobs/acme/{work.job.id}/pcm.3.s16"
    assert await desk.blobs.get(made.original) == whole
    assert await desk.blobs.get(made.pcm) == samples().tobytes()
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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_refusal_is_given_up_on_without_a_secret(tmp_path: Path, serve: Serve, status: int) -> None:
    """The status and the address are named; the query stays secret."""
    place = await serve(giving(b"", status))
    with pytest.raises(GiveUp, match=f"{place}/a.wav answers {status}") as refused:
        await Desk(tmp_path).get(f"{place}/a.wav?token=s3cret")
    assert "s3cret" not in refused.value.reason


@pytest.mark.parametrize(("status", "asked", "delay"), [(500, "", 10), (503, "120", 120), (429, "99999", 1800)])
async def test_a_busy_server_is_asked_later(
    tmp_path: Path, serve: Serve, status: int, asked: str, delay: float
) -> None:
    """What may pass is tried again, when the server asks for it, within reason."""
    with pytest.raises(TryLater, match=f"answers {status}") as later:
        await Desk(tmp_path).get(await serve(giving(b"", status, {"Retry-After": asked})))
    assert later.value.delay == delay


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.wav?token=s3cret", "http://host.invalid/a.wav?token=s3cret"])
async def test_a_server_that_cannot_be_reached_is_asked_later(tmp_path: Path, url: str) -> None:
    """A refused connection and an unknown name may both be passing."""
    with pytest.raises(TryLater, match="could not be fetched") as later:
        await Desk(tmp_path).get(url)
    assert "s3cret" not in later.value.reason


async def test_an_address_that_is_private_is_given_up_on(tmp_path: Path, serve: Serve) -> None:
    """By number or by name, the mesh does not reach into its own network; the setting is named."""
    place = await serve(giving(SAMPLE.read_bytes()))
    desk = Desk(tmp_path, open_loopback=False)
    for url in (place, place.replace("127.0.0.1", "localhost")):
        with pytest.raises(GiveUp, match="loopback; allow it with SCRIBE_ALLOWED_NETWORKS"):
            await desk.get(url)


@pytest.mark.parametrize(
    "target", ["http://10.0.0.1/", "http://[::1]/", "http://0xa9fea9fe/latest", "http://192.168.1/"]
)
async def test_a_redirect_to_a_private_address_is_refused(tmp_path: Path, serve: Serve, target: str) -> None:
    """Every hop is vetted, in every spelling."""
    with pytest.raises(GiveUp, match="SCRIBE_ALLOWED_NETWORKS"):
        await Desk(tmp_path).get(await serve(leading_to(target)))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "http://u:p4ss@127.0.0.1/"])
async def test_a_redirect_to_another_scheme_is_refused(tmp_path: Path, serve: Serve, target: str) -> None:
    """Only http and https are followed, and no password is taken from an address or shown."""
    with pytest.raises(GiveUp, match="redirects to") as refused:
        await Desk(tmp_path).get(await serve(leading_to(target)))
    assert "p4ss" not in refused.value.reason


async def test_redirects_are_followed_up_to_the_limit(tmp_path: Path, serve: Serve) -> None:
    """A relative redirect is followed; a circle ends with the setting's name."""

    async def onward(request: web.Request) -> web.StreamResponse:
        if request.path == "/last":
            return web.Response(body=SAMPLE.read_bytes())
        raise web.HTTPFound("/last" if request.path == "/first" else request.path)

    place = await serve(onward)
    assert (await Desk(tmp_path).get(f"{place}/first")).duration == 30.0
    with pytest.raises(GiveUp, match=r"redirects more than 2 times; .*SCRIBE_MAX_REDIRECTS"):
        await Desk(tmp_path, max_redirects=2).get(f"{place}/circle")


async def test_headers_go_to_the_first_origin_only(tmp_path: Path, serve: Serve) -> None:
    """A redirect to another origin does not carry the secret along; the same origin gets it again."""
    seen: list[str | None] = []

    async def last(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=SAMPLE.read_bytes())

    elsewhere = await serve(last)

    async def first(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        raise web.HTTPFound("/again" if request.path == "/a.wav" else f"{elsewhere}/b.wav")

    await Desk(tmp_path).get(f"{await serve(first)}/a.wav", {"Authorization": "Bearer t0ken"})
    assert seen == ["Bearer t0ken", "Bearer t0ken", None]


@pytest.mark.parametrize("header", [{"Host": "inner"}, {"X": "a\r\nY: b"}, {"X Y": "a"}, {"Transfer-Encoding": "x"}])
async def test_a_header_that_shapes_the_message_is_refused(
    tmp_path: Path, serve: Serve, header: dict[str, str]
) -> None:
    """A job says who it is with headers, not how HTTP works."""
    with pytest.raises(GiveUp, match="cannot be sent"):
        await Desk(tmp_path).get(await serve(giving(SAMPLE.read_bytes())), header)


@pytest.mark.parametrize("stated", [True, False])
async def test_a_recording_that_is_too_large_is_given_up_on(tmp_path: Path, serve: Serve, stated: bool) -> None:
    """The bytes are counted whether or not the server states them."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "20000"} if stated else {})
        await response.prepare(request)
        await response.write(bytes(20_000))
        return response

    with pytest.raises(GiveUp, match="larger than 10000 bytes; raise SCRIBE_MAX_BYTES"):
        await Desk(tmp_path, max_bytes=10_000).get(await serve(answer))


def dribbling(pause: float) -> Answer:
    """Return an answer that gives a byte now and then."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b"x")
            await asyncio.sleep(pause)
        return response

    return answer


async def test_a_server_that_takes_too_long_is_given_up_on(tmp_path: Path, serve: Serve) -> None:
    """A byte now and then does not hold a worker for ever."""
    with pytest.raises(GiveUp, match=r"longer than 0\.3 s to fetch; raise SCRIBE_MAX_DOWNLOAD_SECONDS"):
        await Desk(tmp_path, max_download_seconds=0.3).get(await serve(dribbling(0.02)))


async def test_a_server_that_falls_silent_is_asked_later(tmp_path: Path, serve: Serve) -> None:
    """A connection without a byte ends after the idle time."""
    with pytest.raises(TryLater, match="SCRIBE_MAX_IDLE_SECONDS"):
        await Desk(tmp_path, max_idle_seconds=0.2).get(await serve(dribbling(0.6)))


async def test_a_body_that_breaks_off_is_asked_for_again(tmp_path: Path, serve: Serve) -> None:
    """Half a body is not taken for the whole."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "20000"})
        await response.prepare(request)
        await response.write(bytes(10_000))
        assert request.transport is not None
        request.transport.close()
        return response

    with pytest.raises(TryLater, match="could not be fetched"):
        await Desk(tmp_path).get(await serve(answer))


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
