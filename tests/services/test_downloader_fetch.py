"""Fetching: refusals, redirects, private addresses, limits and servers that misbehave."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from shared.mesh.outcomes import GiveUp, TryLater
from tests.fakes.downloader import Answer, Desk, Serve, giving, leading_to, saying
from tests.recordings import SAMPLE


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


@pytest.mark.parametrize("host", ["example..org", "a" * 64 + ".org", "[v1.::1]"])
async def test_a_host_that_can_be_no_name_is_given_up_on(tmp_path: Path, serve: Serve, host: str) -> None:
    """A redirect to it is no bug to be tried again; a job's own address is refused when it is submitted."""
    with pytest.raises(GiveUp, match=r"redirects to .* is no address that can be asked"):
        await Desk(tmp_path).get(await serve(leading_to(f"http://{host}/a.wav")))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 " + b"x" * 8_000 + b"\r\n\r\n",
        "HTTP/1.1 404 Nicht verfügbar\r\n\r\n".encode("latin-1"),
        b"HTTP/1.1 503 Busy\r\nRetry-After: " + b"9" * 5_000 + b"\r\n\r\n",
        b"\xff" * 60_000 + b"\r\n",
    ],
)
async def test_whatever_a_server_says_is_told_in_a_line_that_can_be_stored(tmp_path: Path, answer: bytes) -> None:
    """No answer makes a reason that is too long for a dead letter or that is no text."""
    async with await asyncio.start_server(saying(answer), "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises((GiveUp, TryLater)) as told:
            await Desk(tmp_path).get(f"http://{host}:{port}/a.wav")
    said = told.value.args[0].encode()
    assert len(said) < 400
    assert b"\n" not in said


async def test_what_an_inner_name_stands_for_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the name is refused or opened and nobody listens, tenants learn no address of the inner network."""

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        found = ["127.1.2.3", "127.1.2.4"] if host == "opened.test" else ["10.1.2.3"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(GiveUp, match=r"host 'inner\.test' is private; allow it") as refused:
        await Desk(tmp_path).get("http://inner.test/a.wav")
    with pytest.raises(TryLater, match=r"opened\.test:1/a.wav could not be fetched: no connection: ") as later:
        await Desk(tmp_path).get("http://opened.test:1/a.wav")
    assert "1.2." not in refused.value.reason + later.value.reason


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


async def test_an_address_is_sent_as_it_was_given(tmp_path: Path, serve: Serve) -> None:
    """A server that signed its query, escapes and all, finds it unchanged, also behind a redirect."""
    signed = "/a%2Fb/%7Eu/talk.wav?file=a%2Fb%20c+d&at=10%3A30&of=%27me%27&sig=x%3D"
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)
        if request.raw_path == "/first":
            raise web.HTTPFound(URL(signed, encoded=True))
        return web.Response(body=SAMPLE.read_bytes())

    place = await serve(answer)
    for path in (signed, "/first", "/שלום.wav?q=a b"):
        await Desk(tmp_path).get(f"{place}{path}")
    assert asked == [signed, "/first", signed, "/%D7%A9%D7%9C%D7%95%D7%9D.wav?q=a+b"]


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

    with pytest.raises(TryLater, match=r"could not be fetched to its end: .*received 10000 of 20000 bytes"):
        await Desk(tmp_path).get(await serve(answer))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "to its end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "to its end"),
        (b"HTTP/1.1 302 Found\r\nLocation: /?token=s3cret\r\nX-", "closed the connection before it had answered"),
        (b"", "closed the connection before it had answered"),
    ],
)
async def test_an_answer_that_ends_early_is_asked_for_again(tmp_path: Path, answer: bytes, said: str) -> None:
    """Chunks without a last one are no whole recording, and of half a header nothing is told."""
    async with await asyncio.start_server(saying(answer), "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(TryLater, match=said) as later:
            await Desk(tmp_path).get(f"http://{host}:{port}/a.wav")
    assert "s3cret" not in later.value.reason
