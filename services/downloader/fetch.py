"""Fetching a recording over HTTP: guarded, without following anything unseen, and saying plainly what went wrong.

No message holds more of an address than `shown_url` leaves, and failures keep no cause, because both are stored and
aiohttp's own messages may quote an address with its query.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urljoin

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientResponseError,
    ClientTimeout,
    InvalidURL,
    ServerDisconnectedError,
    ServerTimeoutError,
)
from yarl import URL

from services.downloader.address import http_url, line
from shared.addresses import AddressGuard, PrivateAddress, guarded_session
from shared.mesh.outcomes import GiveUp, TryLater
from shared.seal import shown_url
from shared.topology import LADDER

PIECE_BYTES = 1024 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LATER = frozenset({408, 425, 429})
"""Statuses below 500 that ask to come again; so does every one from 500 on."""

# Identity, because a length then means bytes of the recording.
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "scribe-mesh"}


class Sink(Protocol):
    """Where a body goes."""

    def expect(self, size: int) -> None:
        """Take note of how many bytes will come."""

    async def write(self, piece: bytes) -> None:
        """Take the next piece."""


@dataclass(frozen=True)
class Fetcher:
    """Fetches what the guard lets through; `idle` is the longest silence of the server, in seconds."""

    guard: AddressGuard
    max_redirects: int
    idle: float

    async def fetch(self, address: str, headers: Mapping[str, str], sink: Sink) -> None:
        """Write the body found at `address` to `sink`. Headers go to the address's own origin only.

        Raises GiveUp for what will not change (refused, not found, private, no such scheme) and TryLater for what may.
        """
        first = url = http_url(address, "the source")
        timeout = ClientTimeout(total=None, sock_connect=self.idle, sock_read=self.idle)
        async with guarded_session(self.guard) as session:
            for _ in range(self.max_redirects + 1):
                sent = dict(headers) if url.origin() == first.origin() else {}
                with _plainly(shown_url(str(url))):
                    self.guard.check_url(str(url))
                    request = session.get(url, headers=HEADERS | sent, allow_redirects=False, timeout=timeout)
                    onward = await _hop(request, sink)
                if onward is None:
                    return
                url = onward
        raise GiveUp(
            f"{shown_url(address)} redirects more than {self.max_redirects} times; "
            "name the final address or raise SCRIBE_MAX_REDIRECTS"
        )


async def _hop(request: AbstractAsyncContextManager[ClientResponse], sink: Sink) -> URL | None:
    """Write the body to `sink`, or return the address to go on to."""
    async with request as response:
        if response.status in REDIRECTS:
            return _onward(response)
        _refuse_failure(response)
        # Of a body that is packed in spite of what was asked, the length is not the recording's.
        if response.content_length is not None and "Content-Encoding" not in response.headers:
            sink.expect(response.content_length)
        async for piece in response.content.iter_chunked(PIECE_BYTES):
            await sink.write(piece)
    return None


def _onward(response: ClientResponse) -> URL:
    place = shown_url(str(response.url))
    location = response.headers.get("Location")
    if location is None:
        raise GiveUp(f"{place} answers {response.status} without saying where to go on")
    try:
        target = urljoin(str(response.url), location)
    except ValueError:
        raise GiveUp(f"{place} redirects to something that is no address") from None
    return http_url(target, f"the address that {place} redirects to")


def _refuse_failure(response: ClientResponse) -> None:
    status = response.status
    if response.ok:
        return
    said = f"{shown_url(str(response.url))} answers {status} {line(response.reason or '')}".rstrip()
    if status in LATER or status >= 500:  # noqa: PLR2004 - HTTP's own border between their fault and ours
        raise TryLater(said, _asked_delay(response.headers.get("Retry-After", "")))
    raise GiveUp(said)


def _asked_delay(retry_after: str) -> float:
    """Return the seconds that the server asks for, between the ladder's ends; a date counts as not asked."""
    shortest, longest = LADDER[0].seconds, LADDER[-1].seconds
    # Thousands of digits are no number to Python; nine are more than any delay has.
    return min(max(int(retry_after[:9]), shortest), longest) if retry_after.isdecimal() else shortest


@contextmanager
def _plainly(place: str) -> Iterator[None]:
    """Turn what aiohttp raises about `place` into GiveUp and TryLater."""
    try:
        yield
    except PrivateAddress as refused:
        raise GiveUp(f"{place} may not be fetched: {refused}") from None
    except InvalidURL:
        raise GiveUp(f"{place} is no address that can be fetched") from None
    except ServerTimeoutError:
        raise TryLater(f"{place} stayed silent for too long; SCRIBE_MAX_IDLE_SECONDS says how long") from None
    except ClientResponseError as garbled:
        raise TryLater(f"{place} does not answer in HTTP: {line(garbled.message)}") from None
    except ClientPayloadError as broken:
        raise TryLater(f"{place} could not be fetched to its end: {line(str(broken))}") from None
    except ClientError as failure:
        raise TryLater(f"{place} could not be fetched: {_said(failure)}") from None


def _said(failure: ClientError) -> str:
    """Return what went wrong, without what a name of the inner network stands for or the raw bytes of an answer."""
    if isinstance(failure, ServerDisconnectedError):
        return "the server closed the connection before it had answered"
    if type(failure) is ClientConnectorError:  # those below it, of names and of TLS, tell no address
        return f"no connection: {os.strerror(failure.errno) if failure.errno else 'each address failed in its own way'}"
    return f"{type(failure).__name__}: {line(str(failure))}"
