"""What the routes do: read what is asked, hand it to intake, and find what belongs to the caller."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import uuid_utils
from fastapi import Request

from services.gateway.listeners import Listeners, sent, told
from services.gateway.submitter import Asks
from services.gateway.tenants import Tenants
from services.gateway.uploads import BadUpload, Upload
from services.gateway.views import view
from shared.blobs import Blobs
from shared.jobs.document import Job
from shared.jobs.states import TERMINAL
from shared.jobs.store import JobStore, NoSuchJob
from shared.messages import SUBMIT_BYTES, FieldError, Reply
from shared.topology import CANCEL_KEY, SUBMIT_KEY, Happening
from shared.transcript import Transcript

UNPROCESSABLE, TOO_LARGE = 422, 413
NAME_LETTERS = 100

Message = dict[str, Any]


class Refused(Exception):
    """The request is no job; `reply` names each wrong field."""

    def __init__(self, code: int, reply: Reply) -> None:
        super().__init__(code)
        self.status, self.reply = code, reply


class NoTranscript(Exception):
    """The job has no transcript, at least not yet."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} is {job.state}; a transcript is there once it is completed")


@dataclass(frozen=True)
class Desk:
    """The parts behind the routes."""

    store: JobStore
    blobs: Blobs
    intake: Asks
    listeners: Listeners
    tenants: Tenants
    max_upload: int

    async def read(self, request: Request, tenant: str) -> Message:
        """Return the submit message in a JSON body; raise Refused."""
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > SUBMIT_BYTES:
                raise _refused("body", f"is larger than {SUBMIT_BYTES} bytes", TOO_LARGE)
        return _message(body, "body", tenant)

    async def upload(self, request: Request, tenant: str) -> Message:
        """Store the recording of a multipart body as it comes and return the message to submit; raise Refused."""
        try:
            upload = Upload(request.headers["content-type"], request.stream(), self.max_upload)
            return await self._store(upload, tenant)
        except BadUpload as bad:
            raise _refused(bad.field, bad.error, TOO_LARGE if "larger" in bad.error else UNPROCESSABLE) from None

    async def _store(self, upload: Upload, tenant: str) -> Message:
        pieces = upload.pieces()
        first = await anext(pieces, None)
        if first is None:
            raise BadUpload("file", "is empty: it has not a single byte")
        key = f"uploads/{tenant}/{uuid_utils.uuid7()}-{_safe(upload.filename or '')}"
        await self.blobs.put(key, _led_by(first, pieces))
        return {**_message(upload.options or b"{}", "options", tenant), "source": {"object": key}}

    async def submit(self, message: Message) -> Reply:
        """Return intake's reply; raise Refused if it rejects the message, NoReply."""
        reply = await self.intake.ask(SUBMIT_KEY, message)
        if reply.state == Happening.REJECTED:
            raise Refused(UNPROCESSABLE, reply)
        return reply

    async def cancel(self, job: str, tenant: str) -> Reply:
        """Return intake's reply to the cancelling; raise NoReply."""
        return await self.intake.ask(CANCEL_KEY, {"id": job, "tenant": tenant})

    async def owned(self, job: str, tenant: str) -> Job:
        """Return the tenant's job; raise NoSuchJob, also for another's."""
        found = await self.store.find(job)
        if found.tenant != tenant:
            raise NoSuchJob(job)
        return found

    async def transcript(self, job: Job) -> Transcript:
        """Return the job's transcript; raise NoTranscript."""
        if job.facts.transcript is None:
            raise NoTranscript(job)
        return Transcript.model_validate_json(await self.blobs.get(job.facts.transcript))

    async def follow(self, job: str) -> AsyncIterator[str]:
        """Yield a snapshot and then the events; listening begins first, so that nothing falls between the two."""
        with self.listeners.listening(job) as backlog:
            found = await self.store.find(job)
            yield sent({"happening": "snapshot", "job": job, **view(found).model_dump(mode="json", exclude={"id"})})
            if found.state in TERMINAL:
                yield sent({"happening": found.state, "job": job, "error": found.error})
                return
            async for event in told(backlog):
                yield event


def _message(body: bytes, field: str, tenant: str) -> Message:
    try:
        said = json.loads(body)
    except ValueError as wrong:
        raise _refused(field, f"is not JSON: {wrong}") from None
    if not isinstance(said, dict):
        raise _refused(field, "is not a JSON object")
    if "tenant" in said:
        raise _refused("tenant", "is the caller's own; leave it out")
    return {"id": str(uuid_utils.uuid7()), **said, "tenant": tenant}


def _refused(field: str, error: str, code: int = UNPROCESSABLE) -> Refused:
    return Refused(code, Reply(state=Happening.REJECTED, errors=(FieldError(field=field, error=error),)))


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-NAME_LETTERS:] or "recording"


async def _led_by(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
