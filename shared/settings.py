"""Settings that every service shares, read once from `SCRIBE_*` variables and checked at start.

Each service has one frozen subclass of `Settings`; a wrong value stops the start with an error naming the variable.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SCRIBE_"

BLOBS_URL = r"^(file:///|(s3|gs|az)://.|memory://)"
"""A folder is named from the root: each process would look for another one in the folder that it runs in."""

LIKE = 0.9
"""How alike (difflib's ratio, 0 to 1) a variable is to the setting that it must be meant for. No service's setting is
more than 0.86 like one that another service has, and one letter too few or too many leaves 0.92 and more."""

Seconds = Annotated[float, Field(gt=0, le=1e9)]
"""A length of time, of some thirty years at the most: dates and timers cannot be reckoned with any length."""


def _listed(value: Any) -> Any:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


LISTED = BeforeValidator(_listed)
"""For a tuple in one variable, without JSON (`NoDecode`): a comma between its items."""


class Settings(BaseSettings):
    """What every process of the mesh needs; times in seconds.

    `cache` keeps fetched models, `models_folder` may hold the operator's own. Health and metrics are served on
    `health_host` and `health_port` (0: any that is free, which the log tells). A step counts as abandoned when its
    heartbeat, one each `heartbeat`, has been missing for `heartbeat_lost`. A stop lets steps go on for `grace`, then
    tells them to end, and waits as long again.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    amqp_url: str = Field("amqp://guest:guest@127.0.0.1:5672/", pattern=r"^amqps?://")
    mongo_url: str = Field("mongodb://127.0.0.1:27017/?directConnection=true", pattern=r"^mongodb(\+srv)?://")
    mongo_database: str = Field("scribe", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    blobs_url: str = Field("file:///var/lib/scribe/blobs", pattern=BLOBS_URL)
    cache: Path = Path("/var/cache/scribe")
    models_folder: Path | None = None
    health_host: str = "127.0.0.1"
    health_port: int = Field(0, ge=0, le=65535)
    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")
    heartbeat: Seconds = 5.0
    heartbeat_lost: Seconds = 20.0
    attempts: int = Field(5, ge=1, le=100)
    window: int = Field(4, ge=1, le=64)
    step_limit: Seconds = 1_800.0
    grace: Seconds = 30.0

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, value: Any, asked: ValidationInfo) -> Any:
        # An empty folder would be the one that the process runs in, and an empty host every network there is.
        said = value.strip() if isinstance(value, str) else value
        if said == "" and cls.model_fields[str(asked.field_name)].default != ():
            raise PydanticCustomError("empty", "is empty; give it a value, or leave it out")
        return said

    @field_validator("amqp_url")
    @classmethod
    def _is_whole(cls, url: str) -> str:
        # Cut off at such a letter, the password is read as a port, and quoted by whoever finds that it is none.
        try:
            _ = urlsplit(url).port
        except ValueError:
            raise PydanticCustomError(
                "url", "is no address: in a user or password, write /, ?, #, [, ] and @ as %2F, %3F, %23, %5B, %5D, %40"
            ) from None
        return url

    @field_validator("heartbeat_lost")
    @classmethod
    def _leaves_room(cls, lost: float, known: ValidationInfo) -> float:
        # Each step at work would be taken for abandoned between two of its beats, and begun by another worker.
        beat = known.data.get("heartbeat", 0.0)
        if lost < 2 * beat:
            raise PydanticCustomError(
                "heartbeat", "must be at least twice SCRIBE_HEARTBEAT, which is {beat}", {"beat": f"{beat:g}"}
            )
        return lost

    @property
    def models_cache(self) -> Path:
        """The folder that fetched models stay in."""
        return self.cache / "models"


S = TypeVar("S", bound=Settings)


class WrongSettings(SystemExit):
    """The process cannot start: the message names each wrong variable and what it must be."""


def load(kind: type[S]) -> S:
    """Return the settings of `kind` from the environment; raise WrongSettings naming each wrong variable."""
    try:
        return kind()
    except ValidationError as wrong:
        raise WrongSettings("\n  ".join(["wrong settings:", *_complaints(wrong)])) from None


def _complaints(wrong: ValidationError) -> Iterator[str]:
    # Of what is wrong inside a value only the place is told: a name in there may be a secret, as of tokens and tenants
    # that stand the wrong way round.
    for error in wrong.errors():
        variable, *inside = error["loc"]
        place = "".join(f"item {each + 1}: " for each in inside if isinstance(each, int))
        yield f"{PREFIX}{str(variable).upper()}: {place}{error['msg']}"


def misspelt(kind: type[Settings]) -> dict[str, str]:
    """Return the variables in the environment that no setting of `kind` reads, but that are nearly one's: that one."""
    known = [f"{PREFIX}{field.upper()}" for field in kind.model_fields]
    unread = [name for name in os.environ if name.startswith(PREFIX) and name not in known]
    like = {name: get_close_matches(name, known, 1, LIKE) for name in unread}
    return {name: meant[0] for name, meant in like.items() if meant}


BROKER = ("AMQP_URL", "start the broker, or name another, or another user")
DATABASE = ("MONGO_URL", "start the database, or name another")
STORE = ("BLOBS_URL", "name a folder or a store that this process may use")
HEALTH = ("HEALTH_PORT", "name another, or 0 for any that is free")
"""What every process depends on: the variable that names it, and what to do if it cannot be used."""


class Unusable(Exception):
    """What a variable names cannot be used: the message names the variable, says why, and what to do."""


@contextmanager
def naming(variable: str, remedy: str) -> Iterator[None]:
    """Turn any failure inside the block into Unusable, which names the variable and says what to do about it."""
    try:
        yield
    except Exception as problem:
        why = next(iter(str(problem).splitlines()), "")
        raise Unusable(f"{PREFIX}{variable}: {type(problem).__name__}: {why}; {remedy}") from problem


def worker_name(service: str) -> str:
    """Return this process's name in claims and logs: no other process, not even its successor, has the same."""
    return f"{service}@{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:6]}"
