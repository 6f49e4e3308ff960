"""The routes: each asks intake, reads the store, or listens; none decides anything about a job."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, status
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict

from services.gateway.answers import EVERYWHERE, NOT_FOUND, TOO_MANY, UNFIT, Taken, described
from services.gateway.asked import refused
from services.gateway.desk import Desk
from services.gateway.history import EntryView, history
from services.gateway.openapi import BODY, STREAM, TEXTS
from services.gateway.stream import EventStream
from services.gateway.views import JobView, view
from shared.captions import to_srt, to_txt, to_vtt
from shared.mesh.health import Health
from shared.messages import FIELD_LETTERS
from shared.transcript import Form, Transcript

BEARER = HTTPBearer(auto_error=False, description="The tenant's token; a gateway without tokens asks for none.")

jobs = APIRouter(prefix="/v1/jobs", responses=EVERYWHERE)
wellbeing = APIRouter(tags=["health"])


RENDERED: dict[Form, tuple[Callable[[Transcript], str], str]] = {
    Form.TXT: (to_txt, "text/plain"),
    Form.SRT: (to_srt, "application/x-subrip; charset=utf-8"),
    Form.VTT: (to_vtt, "text/vtt"),
}


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]


def _tenant(request: Request, desk: TheDesk, _shown: Annotated[object, Depends(BEARER)]) -> str:
    # FastAPI's bearer scheme is here for the document alone: it takes no part in the comparing.
    return desk.tenants.of(request)


Tenant = Annotated[str, Depends(_tenant)]


def _nothing_beside_the_body(request: Request) -> None:
    """Raise Refused for a query: its options, passed over, would make another job than was meant."""
    for name in request.query_params:
        raise refused(f"query.{name}"[:FIELD_LETTERS], "is not read; the options of a job go into the body")


class Rendering(BaseModel):
    """What the transcript is given as. A mistyped name would give JSON to who asked for something else."""

    model_config = ConfigDict(extra="forbid")

    format: Form = Form.JSON


@jobs.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    responses={**UNFIT, **TOO_MANY},
    dependencies=[Depends(_nothing_beside_the_body)],
    openapi_extra={"requestBody": BODY},
)
async def submit(request: Request, desk: TheDesk, tenant: Tenant) -> Taken:
    """Submit a job by the address of its recording, or upload the recording.

    The answer comes once intake has stored the job. The same `id`, or the same `idempotency_key`, twice is one job.
    """
    multipart = request.headers.get("content-type", "").lower().startswith("multipart/")
    reply = await (desk.upload if multipart else desk.take)(request, tenant)
    return Taken(id=str(reply.id), state=reply.state)


@jobs.get("/{job}", responses=NOT_FOUND)
async def show(job: str, desk: TheDesk, tenant: Tenant) -> JobView:
    """Show where a job is, stage by stage."""
    return view(await desk.owned(job, tenant))


@jobs.get("/{job}/history", responses=NOT_FOUND)
async def shown_history(job: str, desk: TheDesk, tenant: Tenant) -> list[EntryView]:
    """Tell where a job waited, where it worked and how long: every attempt at every step, and what is open now."""
    owned = await desk.owned(job, tenant)
    return history(owned, await desk.store.history(owned.id))


@jobs.get(
    "/{job}/transcript",
    response_class=Response,
    responses={
        **NOT_FOUND,
        **described({409: "The job has no transcript, at least not yet.", 410: "The transcript is no longer kept."}),
    }
    | TEXTS,
)
async def transcript(job: str, desk: TheDesk, tenant: Tenant, asked: Annotated[Rendering, Query()]) -> Response:
    """Give the transcript of a completed job as JSON, plain text, SubRip or WebVTT.

    Of a job that failed or was cancelled it gives the chunks that were done, with `partial` true in the JSON.
    """
    made = await desk.transcript(job, tenant)
    if asked.format is Form.JSON:
        return Response(made, media_type="application/json")
    render, media = RENDERED[asked.format]
    # Hours of speech take seconds to render: in a thread, so that nobody else waits.
    text = await asyncio.to_thread(lambda: render(Transcript.model_validate_json(made)))
    return Response(text, media_type=media)


@jobs.get("/{job}/events", response_class=StreamingResponse, responses={**NOT_FOUND, **TOO_MANY, **STREAM})
async def events(job: str, desk: TheDesk, tenant: Tenant) -> EventStream:
    """Stream a job as server-sent events: first a `snapshot`, then each event as it happens, up to the job's end.

    A comment keeps a silent line open. `lagging` (too slow a reader) and `closing` (the gateway goes down) end a
    stream before the job has ended: connect again. An event can come twice; (`job`, `sequence`) names it.
    """
    return await desk.follow(job, tenant)


@jobs.delete("/{job}", status_code=status.HTTP_202_ACCEPTED, responses=NOT_FOUND)
async def cancel(job: str, desk: TheDesk, tenant: Tenant) -> Taken:
    """Cancel a job; it never becomes completed. A job that has ended stays as it is: see the answer's `state`."""
    reply = await desk.cancel(job, tenant)
    return Taken(id=str(reply.id), state=reply.state)


@wellbeing.get("/health", responses=described({503: "At least one of them does not answer."}))
async def health(request: Request) -> JSONResponse:
    """Say of broker, database and object store whether they answer; why not is on the health port, at `/ready`."""
    parts: Health = request.app.state.health
    well, found = await parts.check()
    shown = {name: "ok" if said == "ok" else "does not answer" for name, said in found.items()}
    return JSONResponse(shown, status.HTTP_200_OK if well else status.HTTP_503_SERVICE_UNAVAILABLE)
