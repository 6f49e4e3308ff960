"""The gateway over HTTP, as the operator's commands need it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import aiohttp
from pydantic_core import to_json

from services.operator.failed import Failed
from services.operator.settings import OperatorSettings
from services.operator.sse import EventData, events

NO_LIMIT = aiohttp.ClientTimeout(total=None, sock_connect=10)
"""Uploads and event streams last as long as they last."""


class Gateway:
    """A session with the gateway; open it with `async with`. Every method raises Failed with what to do."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._open = AsyncExitStack()

    @classmethod
    def of(cls, settings: OperatorSettings) -> Self:
        """Return the session that the settings name."""
        return cls(settings.gateway_url, settings.token.get_secret_value() if settings.token else None)

    async def __aenter__(self) -> Self:
        session = aiohttp.ClientSession(headers=self._headers, timeout=NO_LIMIT)
        self._session = await self._open.enter_async_context(session)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def submit(self, job: dict[str, Any]) -> str:
        """Submit a job message and return the job's id."""
        async with self._call("POST", "/v1/jobs", json=job) as response:
            return str((await response.json())["id"])

    async def upload(self, recording: Path, job: dict[str, Any]) -> str:
        """Upload a recording with its job message and return the job's id; the file is streamed, never held whole."""
        with recording.open("rb") as file:
            form = aiohttp.FormData()
            form.add_field("options", to_json(job).decode(), content_type="application/json")
            form.add_field("file", file, filename=recording.name, content_type="application/octet-stream")
            async with self._call("POST", "/v1/jobs", data=form) as response:
                return str((await response.json())["id"])

    async def events(self, job: str) -> AsyncIterator[EventData]:
        """Yield a snapshot of the job and then its events as they happen, up to the one that ends it."""
        async with self._call("GET", f"/v1/jobs/{job}/events") as response:
            async for event in events(response.content):
                yield event

    async def transcript(self, job: str, form: str) -> str:
        """Return the transcript as json, txt, srt or vtt."""
        async with self._call("GET", f"/v1/jobs/{job}/transcript", params={"format": form}) as response:
            return await response.text()

    async def cancel(self, job: str) -> None:
        """Ask for the job to be cancelled."""
        async with self._call("DELETE", f"/v1/jobs/{job}"):
            pass

    async def call(self, method: str, path: str, asked: dict[str, str]) -> Any:
        """Return the JSON that the gateway answers."""
        async with self._call(method, path, params=asked) as response:
            return await response.json()

    @asynccontextmanager
    async def _call(self, method: str, path: str, **rest: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(method, self.url + path, **rest) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise Failed(await _refusal(response))
                yield response
        except aiohttp.ClientConnectionError as gone:
            raise Failed(
                f"the gateway at {self.url} does not answer ({gone}); start it: scribe up (or set SCRIBE_GATEWAY_URL)"
            ) from gone
        except aiohttp.ClientError as broken:
            raise Failed(f"{method} {self.url}{path}: {type(broken).__name__}: {broken}") from broken


async def _refusal(response: aiohttp.ClientResponse) -> str:
    """Return what the gateway refused and why: each wrong field on a line of its own."""
    if response.status == HTTPStatus.UNAUTHORIZED:
        return "the gateway asks for a token; set SCRIBE_TOKEN (dead letters are the operator's: its own token)"
    text = await response.text()
    said = await response.json() if response.content_type == "application/json" else {}
    errors = said.get("errors") if isinstance(said, dict) else None
    if errors:
        return "\n".join(f"{each['field']}: {each['error']}" for each in errors)
    return f"{response.method} {response.url.path}: {response.status} {response.reason}: {text[:500]}"
