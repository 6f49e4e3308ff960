"""What the routes do: read what is asked, hand it to intake, and find what belongs to the caller."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID

import uuid_utils
from fastapi import Request

from services.gateway.asked import RawSubmit, Refused, checked, message, safe_name, with_source
from services.gateway.body import BadUpload, TooLarge, until_silent
from services.gateway.dead_letter_office import DeadLetterOffice
from services.gateway.listeners import Listeners
from services.gateway.partial import partial
from services.gateway.places import Places
from services.gateway.stream import EventStream, story
from services.gateway.submitter import Asks
from services.gateway.tenants import Tenants
from services.gateway.uploads import Upload, led_by
from shared.blobs import Blobs
from shared.jobs.document import Job
from shared.jobs.states import ABANDONED, JobState
from shared.jobs.store import JobStore, NoSuchJob
from shared.messages import SUBMIT_BYTES, Reply
from shared.topology import CANCEL_KEY, SUBMIT_KEY, Happening, Stage
from shared.transcript import ChunkText

log = logging.getLogger(__name__)


class NoTranscript(Exception):
    """The job has no transcript, at least not yet."""

    def __init__(self, job: Job) -> None:
        why = "no chunk was done before" if job.state in ABANDONED else "it has one once it is completed"
        super().__init__(f"job {job.id} is {job.state} and has no transcript; {why}")


@dataclass(frozen=True)
class Desk:
    """The parts behind the routes."""

    store: JobStore
    blobs: Blobs
    intake: Asks
    listeners: Listeners
    tenants: Tenants
    dead_letters: DeadLetterOffice
    uploads: Places
    max_upload: int

    async def take(self, request: Request, tenant: str) -> Reply:
        """Submit the message in a JSON body and return intake's reply; raise BadUpload, Refused, NotTaken, NoReply."""
        body = b""
        async for piece in until_silent(request.stream()):
            body += piece
            if len(body) > SUBMIT_BYTES:
                raise TooLarge("body", SUBMIT_BYTES)
        return await self._submit(message(body, "body", tenant))

    async def upload(self, request: Request, tenant: str) -> Reply:
        """Store the recording of a multipart body as it comes, submit its job and return intake's reply.

        Raises NoPlace, Refused, BadUpload; then nothing is stored. Also raises NotTaken, NoReply.
        """
        with self.uploads.taken(tenant):
            return await self._received(request, tenant)

    async def _received(self, request: Request, tenant: str) -> Reply:
        length = int(request.headers.get("content-length", 0))
        upload = Upload(request.headers["content-type"], length, until_silent(request.stream()), self.max_upload)
        pieces = upload.pieces()
        first = await anext(pieces, None)
        if first is None:
            raise BadUpload("file", "is empty: it has not a single byte")
        key = f"uploads/{tenant}/{uuid_utils.uuid7()}-{safe_name(upload.filename)}"
        # Options that came first are looked at before gigabytes are taken for nothing.
        checked(with_source(upload.options, tenant, key))
        await self.blobs.put(key, led_by(first, pieces))
        return await self._uploaded(upload, tenant, key)

    async def _uploaded(self, upload: Upload, tenant: str, key: str) -> Reply:
        """Submit the stored file's job; delete the file if it is no job's, of which nobody else would know."""
        try:
            reply = await self._submit(with_source(upload.options, tenant, key))
        except Refused:
            await self.blobs.delete(key)
            raise
        try:
            if (await self.store.find(str(reply.id))).options.source.object != key:  # the job was there before
                await self.blobs.delete(key)
        except Exception:  # the job is taken: who is told otherwise sends the recording again, as another
            log.exception("cannot see whether an upload is its job's; it stays", extra={"job": reply.id})
        return reply

    async def _submit(self, asked: RawSubmit) -> Reply:
        reply = await self.intake.ask(SUBMIT_KEY, checked(asked))
        if reply.state == Happening.REJECTED:
            raise Refused(reply.errors, reply.id)
        return reply

    async def cancel(self, job: str, tenant: str) -> Reply:
        """Return intake's reply to the cancelling; raise NoSuchJob, NotTaken, NoReply."""
        owned = await self.owned(job, tenant)
        reply = await self.intake.ask(CANCEL_KEY, {"id": owned.id, "tenant": tenant})
        if reply.state == Happening.REJECTED:
            raise NoSuchJob(job)
        return reply

    async def owned(self, job: str, tenant: str) -> Job:
        """Return the tenant's job; raise NoSuchJob, also for another's."""
        found = await self.store.find(_identity(job))
        if found.tenant != tenant:
            raise NoSuchJob(job)
        return found

    async def transcript(self, job: str, tenant: str) -> bytes:
        """Return the job's transcript as JSON, what there is of it if the job ended without a result.

        Raises NoSuchJob, NoTranscript if there is nothing, NoSuchObject once it is not kept.
        """
        owned = await self.owned(job, tenant)
        if owned.state in ABANDONED:
            return await self._partial(owned)
        if owned.state is not JobState.COMPLETED or owned.facts.transcript is None:
            raise NoTranscript(owned)
        return await self.blobs.get(owned.facts.transcript)

    async def _partial(self, job: Job) -> bytes:
        outputs = (await self.store.outputs(job, [Stage.TRANSCRIBER]))[Stage.TRANSCRIBER]
        chunks = [output for output in outputs if isinstance(output, ChunkText)]
        if not chunks:
            raise NoTranscript(job)
        return partial(job, chunks).model_dump_json().encode()

    async def follow(self, job: str, tenant: str) -> EventStream:
        """Return the job's events from now on; raise NoSuchJob, NoPlace.

        Listening begins before the job is read, so that nothing falls between the two.
        """
        with ExitStack() as listening:
            backlog = listening.enter_context(self.listeners.listening(tenant, _identity(job)))
            owned = await self.owned(job, tenant)
            return EventStream(story(owned, backlog, lambda: self.owned(job, tenant)), listening.pop_all())


def _identity(job: str) -> str:
    """Return the id as the mesh spells it, whatever spelling of a UUID is asked for; raise NoSuchJob if it is none."""
    try:
        return str(UUID(job))
    except ValueError:
        raise NoSuchJob(job) from None
