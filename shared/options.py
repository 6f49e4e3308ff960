"""What a publisher may ask of a job: the documented schema of the `job.submit` message.

Unknown fields are refused by name, and nothing here grows without a limit.
"""

import re
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from yarl import URL

from shared.languages import WHISPER_LANGUAGES
from shared.metadata import Metadata
from shared.topology import NOTIFIED, Happening

TENANT = r"^[a-z0-9][a-z0-9_-]{0,62}$"

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
"""What HTTP lets stand there (RFC 9110, sections 5.1 and 5.5)."""

HTTPS_OWN = frozenset({"connection", "content-length", "host", "transfer-encoding", "upgrade"})
"""Headers that say how the message itself is built: never taken from a job."""

Tenant = Annotated[str, Field(pattern=TENANT)]
Speakers = Annotated[int, Field(ge=1, le=50)]
Temperature = Annotated[float, Field(ge=0, le=1)]
SeveralTemperatures = Annotated[tuple[Temperature, ...], Field(max_length=6, json_schema_extra={"minItems": 1})]


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, int | float) else value


def _some(values: tuple[float, ...]) -> tuple[float, ...]:
    # Asked of pydantic, a minimal length also counts those that are right: one wrong temperature would be two errors.
    if not values:
        raise PydanticCustomError("temperature", "is empty; give one temperature, or several")
    return values


Temperatures = Annotated[
    SeveralTemperatures,
    BeforeValidator(_several, json_schema_input_type=Temperature | SeveralTemperatures),
    AfterValidator(_some),
]


class Asked(BaseModel):
    """A frozen part of a job message that refuses fields it does not know."""

    # What is refused may be secret, and what refuses it be logged and parked.
    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=2_000, hide_input_in_errors=True)


def check_http_url(url: str) -> str:
    """Return `url` if it is http(s) with a host and carries no user or password; raise a clear error otherwise."""
    try:
        # Read as what will ask it reads it, and its host as resolvers take it: labels that are too long are refused.
        parts = URL(url)
        host = _checked_host(parts.raw_host or "")
    except (ValueError, IndexError):  # of brackets in odd places yarl raises the one or the other
        raise PydanticCustomError("url", "is no address that can be asked: look at its host and port") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise PydanticCustomError("url", "must be an http:// or https:// address with a host")
    if parts.user or parts.password:
        raise PydanticCustomError("url", "must not carry a user or password; send an Authorization header instead")
    return url


def _checked_host(host: str) -> str:
    """Return the host; raise ValueError for what no resolver takes, or was between brackets and is no IPv6 address."""
    if ":" in host:
        IPv6Address(host)
    else:
        host.encode("idna")
    return host


class Source(Asked):
    """Where the recording is: an address to fetch, or a key of the object store under `uploads/<tenant>/`."""

    url: str | None = None
    headers: dict[str, str] = Field(default_factory=dict, max_length=20)
    object: str | None = Field(None, pattern=r"^uploads/[a-z0-9][a-z0-9_-]{0,62}/[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")

    _url = field_validator("url")(lambda url: url if url is None else check_http_url(url))

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not HEADER_NAME.fullmatch(name):  # not told: it may be a secret in the wrong place
                raise PydanticCustomError("header", "hold a name that is none, of up to 100 letters, digits and '-'")
            if name.lower() in HTTPS_OWN:
                raise PydanticCustomError("header", "hold '{name}', which is HTTP's own to say", {"name": name})
            if not HEADER_VALUE.fullmatch(value):
                raise PydanticCustomError("header", "hold a line break or the like in '{name}'", {"name": name})
        return headers

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.url is None) == (self.object is None):
            raise PydanticCustomError("source", "needs exactly one of 'url' and 'object'")
        if self.headers and self.url is None:
            raise PydanticCustomError("source", "'headers' go with 'url' only")
        return self


class VoiceActivity(Asked):
    """How speech is told from silence: probability threshold (0 to 1) and durations in seconds."""

    threshold: float = Field(0.5, gt=0, lt=1)
    min_speech: float = Field(0.0, ge=0, le=10)
    min_silence: float = Field(0.5, ge=0.05, le=10)
    padding: float = Field(0.2, ge=0, le=2)


class Webhook(Asked):
    """An address told of the job's events; every delivery is signed."""

    url: str = Field(max_length=2_000)
    events: tuple[Happening, ...] = (Happening.COMPLETED, Happening.FAILED, Happening.CANCELLED)

    _url = field_validator("url")(check_http_url)

    @field_validator("events")
    @classmethod
    def _told(cls, events: tuple[Happening, ...]) -> tuple[Happening, ...]:
        if unknown := sorted(set(events) - set(NOTIFIED)):
            raise PydanticCustomError("events", "webhooks are not sent for {events}", {"events": ", ".join(unknown)})
        return events


class Options(Asked):
    """Everything a job may ask for besides its identity; each field has a default but the source."""

    source: Source
    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    model: str | None = Field(None, pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$", max_length=120)
    word_timestamps: bool = True
    hotwords: str | None = Field(None, max_length=500)
    initial_prompt: str | None = Field(None, max_length=1_000)
    temperature: Temperatures = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    beam_size: int = Field(5, ge=1, le=20)
    vad: VoiceActivity = VoiceActivity()
    diarize: bool = True
    num_speakers: Speakers | None = None
    min_speakers: Speakers | None = None
    max_speakers: Speakers | None = None
    strict: bool = False
    webhooks: tuple[Webhook, ...] = Field((), max_length=8)
    metadata: Metadata = Field(default_factory=dict)
    retention_days: int | None = Field(None, ge=1, le=3650)

    @field_validator("language")
    @classmethod
    def _known_language(cls, code: str | None) -> str | None:
        if code is not None and code not in WHISPER_LANGUAGES:
            raise PydanticCustomError("language", "is not a language code that Whisper knows (such as 'he' or 'en')")
        return code

    @model_validator(mode="after")
    def _speaker_counts_agree(self) -> Self:
        low, high = self.min_speakers or 1, self.max_speakers or 50
        if low > high:
            raise PydanticCustomError("speakers", "'min_speakers' is greater than 'max_speakers'")
        if self.num_speakers is not None and not low <= self.num_speakers <= high:
            raise PydanticCustomError("speakers", "'num_speakers' lies outside 'min_speakers' and 'max_speakers'")
        return self
