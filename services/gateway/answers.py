"""What a request is answered with, besides success: one place from failures to statuses, and their shapes."""

import logging
from typing import Any

from fastapi import FastAPI, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from obstore.exceptions import GenericError
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from services.gateway.asked import Refused, refused
from services.gateway.body import BadUpload, Silent, TooLarge
from services.gateway.dead_letter_office import NoSuchLetter
from services.gateway.desk import NoTranscript
from services.gateway.places import NoPlace
from services.gateway.submitter import NoReply, NotTaken
from shared.blobs import NoSuchObject
from shared.jobs.mongo import AWAY as DATABASE_AWAY
from shared.jobs.store import NoSuchJob
from shared.mesh.lost import LOST
from shared.messages import FieldError

log = logging.getLogger(__name__)

AWAY = (*DATABASE_AWAY, *LOST, GenericError)
"""What database, broker and object store raise when they do not answer."""

Responses = dict[int | str, dict[str, Any]]


class Taken(BaseModel):
    """The job that was submitted or cancelled, and its state now."""

    id: str = Field(examples=["0199f6a0-5b7c-7d3e-9a51-0d5b8a1c2e3f"])
    state: str = Field(examples=["accepted"])


class Wrong(BaseModel):
    """Each field that is wrong; `id` is the job's, if the message had one."""

    id: str | None = None
    errors: tuple[FieldError, ...]


class Detail(BaseModel):
    """What is wrong, and what to do about it; `id` is the job's, if it is about one."""

    detail: str
    id: str | None = None


def described(statuses: dict[int, str], model: type[BaseModel] = Detail) -> Responses:
    """Return the statuses as the API's document has them."""
    return {code: {"description": text, "model": model} for code, text in statuses.items()}


EVERYWHERE = {
    **described({401: "The token is missing or unknown."}),
    **described({403: "A page of another site asks, and there are no tokens."}),
    **described({422: "What was asked is wrong: each wrong field by name."}, Wrong),
    **described({503: "Something that the gateway stands on does not answer; `detail` says what to do."}),
}
NOT_FOUND = described({404: "There is no such job of this tenant."})
TOO_MANY = described({429: "As many listen, or upload, as the gateway serves at once."})
UNFIT = described(
    {408: "The body stopped coming before its end.", 413: "The body, or a part of it, is too large."}, Wrong
)

STATUSES: dict[type[Exception], int] = {
    NoSuchJob: status.HTTP_404_NOT_FOUND,
    NoSuchLetter: status.HTTP_404_NOT_FOUND,
    NoTranscript: status.HTTP_409_CONFLICT,
    NoSuchObject: status.HTTP_410_GONE,
    Silent: status.HTTP_408_REQUEST_TIMEOUT,
    TooLarge: status.HTTP_413_CONTENT_TOO_LARGE,
    ClientDisconnect: status.HTTP_400_BAD_REQUEST,
    BadUpload: status.HTTP_422_UNPROCESSABLE_CONTENT,
    Refused: status.HTTP_422_UNPROCESSABLE_CONTENT,
    RequestValidationError: status.HTTP_422_UNPROCESSABLE_CONTENT,
    NoPlace: status.HTTP_429_TOO_MANY_REQUESTS,
    NotTaken: status.HTTP_503_SERVICE_UNAVAILABLE,
    NoReply: status.HTTP_503_SERVICE_UNAVAILABLE,
}


def answer_failures(app: FastAPI) -> None:
    """Make the application answer with what its routes raise on purpose, and say so in JSON when they did not."""
    for failure in STATUSES:
        app.add_exception_handler(failure, _answer)
    for failure in AWAY:
        app.add_exception_handler(failure, _away)
    app.add_exception_handler(Exception, _broken)


async def _answer(request: Request, failure: Exception) -> JSONResponse:
    del request
    said = _said(failure)
    return JSONResponse(said.model_dump(exclude_none=True), STATUSES[type(failure)])


async def _away(request: Request, failure: Exception) -> JSONResponse:
    log.error("%s %s could not be answered", request.method, request.url.path, exc_info=failure)
    said = Detail(detail="something this gateway stands on does not answer; GET /health says what; ask again later")
    return JSONResponse(said.model_dump(exclude_none=True), status.HTTP_503_SERVICE_UNAVAILABLE)


async def _broken(request: Request, failure: Exception) -> JSONResponse:
    # The server logs the failure itself: it is raised on once this is sent.
    del request, failure
    said = Detail(detail="something went wrong inside this gateway; its log says what")
    return JSONResponse(said.model_dump(exclude_none=True), status.HTTP_500_INTERNAL_SERVER_ERROR)


def _said(failure: Exception) -> Wrong | Detail:
    match failure:
        case Refused(errors=errors, job=job):
            return Wrong(id=job, errors=errors)
        case BadUpload(field=field, error=error):
            return Wrong(errors=refused(field, error).errors)
        case RequestValidationError():
            return Wrong(errors=FieldError.named(failure.errors()))
        case NotTaken(job=job) | NoReply(job=job):
            return Detail(detail=str(failure), id=job)
        case NoSuchObject():
            return Detail(detail="the transcript is no longer kept")
    return Detail(detail=str(failure))
