"""The routes: each asks intake, reads the store, or listens; none decides anything about a job."""

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Request, status
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from services.gateway.desk import Desk, NoTranscript, Refused
from services.gateway.listeners import TooManyListeners
from services.gateway.submitter import NoReply
from services.gateway.views import JobView, view
from shared.captions import to_srt, to_txt, to_vtt
from shared.jobs.store import NoSuchJob
from shared.messages import Reply

router = APIRouter()
JOBS = "/v1/jobs"

BODY = {
    "required": True,
    "description": "The fields of the `job.submit` message without `tenant`; `id` is made when it is missing.",
    "content": {
        "application/json": {
            "schema": {"type": "object"},
            "example": {"source": {"url": "https://example.org/recording.mp3"}, "language": "he"},
        },
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "options": {"type": "string", "description": "JSON, as the other body but without `source`"},
                },
            },
        },
    },
}


class Form(StrEnum):
    """How a transcript can be had."""

    JSON = "json"
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"


RENDERED = {
    Form.TXT: (to_txt, "text/plain"),
    Form.SRT: (to_srt, "application/x-subrip"),
    Form.VTT: (to_vtt, "text/vtt"),
}


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _tenant(request: Request, desk: Annotated[Desk, Depends(_desk)]) -> str:
    return desk.tenants.of(request)


TheDesk = Annotated[Desk, Depends(_desk)]
Tenant = Annotated[str, Depends(_tenant)]


@router.post(JOBS, tags=["jobs"], status_code=status.HTTP_202_ACCEPTED, openapi_extra={"requestBody": BODY})
async def submit(request: Request, desk: TheDesk, tenant: Tenant) -> JSONResponse:
    """Submit a job by the address of its recording, or upload the recording."""
    multipart = request.headers.get("content-type", "").startswith("multipart/")
    try:
        asked = await (desk.upload if multipart else desk.read)(request, tenant)
        reply = await desk.submit(asked)
    except Refused as refused:
        return _refusal(refused.status, refused.reply)
    return JSONResponse({"id": reply.id, "state": reply.state}, status.HTTP_202_ACCEPTED)


@router.get(JOBS + "/{job}", tags=["jobs"])
async def show(job: str, desk: TheDesk, tenant: Tenant) -> JobView:
    """Show where a job is, stage by stage."""
    return view(await desk.owned(job, tenant))


@router.get(JOBS + "/{job}/transcript", tags=["jobs"], response_class=Response)
async def transcript(job: str, desk: TheDesk, tenant: Tenant, format: Form = Form.JSON) -> Response:  # noqa: A002 - the parameter's name in the address
    """Give the transcript of a completed job as JSON, plain text, SubRip or WebVTT."""
    found = await desk.transcript(await desk.owned(job, tenant))
    if format is Form.JSON:
        return Response(found.model_dump_json(), media_type="application/json")
    render, media = RENDERED[format]
    return PlainTextResponse(render(found), media_type=media)


@router.get(JOBS + "/{job}/events", tags=["jobs"], response_class=StreamingResponse)
async def events(job: str, desk: TheDesk, tenant: Tenant) -> StreamingResponse:
    """Stream the job's events as server-sent events: first a `snapshot`, then each as it happens, up to its end."""
    await desk.owned(job, tenant)
    return StreamingResponse(desk.follow(job), media_type="text/event-stream", headers={"cache-control": "no-store"})


@router.delete(JOBS + "/{job}", tags=["jobs"], status_code=status.HTTP_202_ACCEPTED)
async def cancel(job: str, desk: TheDesk, tenant: Tenant) -> JSONResponse:
    """Cancel a job; what was transcribed so far is kept, and the job never becomes completed."""
    await desk.owned(job, tenant)
    reply = await desk.cancel(job, tenant)
    return JSONResponse({"id": reply.id, "state": reply.state}, status.HTTP_202_ACCEPTED)


@router.get("/health", tags=["health"])
async def health(request: Request) -> JSONResponse:
    """Say of broker, database and object store whether they answer."""
    well, parts = await request.app.state.health.check()
    return JSONResponse(parts, status.HTTP_200_OK if well else status.HTTP_503_SERVICE_UNAVAILABLE)


def _refusal(code: int, reply: Reply) -> JSONResponse:
    errors = [error.model_dump() for error in reply.errors]
    return JSONResponse({"id": reply.id, "errors": errors}, code)


async def answer(request: Request, failure: Exception) -> Response:
    """Return the response for what a route raises on purpose."""
    del request
    code = FAILURES[type(failure)]
    return JSONResponse({"detail": str(failure)}, code)


FAILURES: dict[type[Exception], int] = {
    NoSuchJob: status.HTTP_404_NOT_FOUND,
    NoTranscript: status.HTTP_409_CONFLICT,
    NoReply: status.HTTP_503_SERVICE_UNAVAILABLE,
    TooManyListeners: status.HTTP_429_TOO_MANY_REQUESTS,
}
