"""The operator's routes: the dead letters of all tenants."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.answers import EVERYWHERE, described
from services.gateway.asked import refused
from services.gateway.dead_letter_office import Handled
from services.gateway.desk import Desk
from services.gateway.letters import Letter, Wanted
from shared.messages import Diagnosis
from shared.topology import Stage

BEARER = HTTPBearer(auto_error=False, description="The operator's token; a gateway without any tokens asks for none.")
FORBIDDEN = described({403: "The caller is no operator."})


def _operator(request: Request, _shown: Annotated[object, Depends(BEARER)]) -> Desk:
    desk: Desk = request.app.state.desk
    desk.tenants.check_operator(request)
    return desk


Operator = Annotated[Desk, Depends(_operator)]

dead = APIRouter(prefix="/v1/dead", tags=["operators"], responses={**EVERYWHERE, **FORBIDDEN})


class Asked(BaseModel):
    """Which letters are meant: all that fit what is given. A mistyped filter would mean more than was asked for."""

    model_config = ConfigDict(extra="forbid")

    letter: str | None = None
    job: str | None = None
    tenant: str | None = None
    stage: Stage | None = None
    reason: str | None = Field(None, min_length=1, description="a part of the reason")
    older_than: float | None = Field(None, ge=0, description="seconds since it was given up on")
    limit: int = Field(100, ge=1, le=10_000, description="the oldest so many")

    def wanted(self) -> Wanted:
        """Return the filter."""
        return Wanted(**self.model_dump(include=set(Asked.model_fields) - {"limit"}))


class Acting(Asked):
    """Which letters something is done about."""

    dry_run: Annotated[bool, Field(description="only say what would be done")] = False


class LetterView(BaseModel):
    """A dead letter: why, and the exact message with the routing key under which it first came."""

    why: Diagnosis
    subject: str
    message: str


class DoneView(BaseModel):
    """What was done about a letter."""

    letter: str
    job: str | None
    stage: Stage
    part: int | None
    said: str


Filter = Annotated[Asked, Query()]


async def _meant(request: Request, acting: Annotated[Acting, Query()]) -> Acting:
    """Return which letters are meant; raise Refused for a body: its filters, passed over, would mean all letters."""
    async for piece in request.stream():
        if piece:
            raise refused("body", "is not read; filters go into the address, such as ?stage=downloader")
    return acting


Action = Annotated[Acting, Depends(_meant)]


def _view(letter: Letter) -> LetterView:
    text = letter.message.body.decode(errors="backslashreplace")
    return LetterView(why=letter.why, subject=letter.subject, message=text)


def _done(done: Handled) -> DoneView:
    why = done.letter.why
    return DoneView(letter=why.letter, job=why.job, stage=why.stage, part=why.part, said=done.said)


@dead.get("")
async def letters(desk: Operator, asked: Filter) -> list[LetterView]:
    """List dead letters, oldest first, and leave them where they are."""
    return [_view(letter) for letter in await desk.dead_letters.found(asked.wanted(), asked.limit)]


@dead.get("/{letter}", responses=described({404: "There is no such dead letter."}))
async def letter(desk: Operator, letter: str) -> LetterView:
    """Show one dead letter."""
    return _view(await desk.dead_letters.one(letter))


@dead.post("/replay")
async def replay(desk: Operator, asked: Action) -> list[DoneView]:
    """Try again what the letters were about, with the options of their jobs; a second replay has no effect."""
    return [_done(each) for each in await desk.dead_letters.replay(asked.wanted(), asked.limit, dry_run=asked.dry_run)]


@dead.post("/drop")
async def drop(desk: Operator, asked: Action) -> list[DoneView]:
    """Take the letters out for good; their jobs stay as they are."""
    return [_done(each) for each in await desk.dead_letters.drop(asked.wanted(), asked.limit, dry_run=asked.dry_run)]
