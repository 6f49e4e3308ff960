"""The operator's settings: the environment first, then what `scribe up` left in this folder while it runs."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from shared.models import OFFLINE
from shared.settings import BLOBS_URL, PREFIX, Settings

HOME = Path(".scribe")
"""Where the local mesh keeps everything, in the folder that the command is called from."""


def _local_blobs() -> str:
    return f"file://{(HOME / 'blobs').resolve()}"


class OperatorSettings(Settings):
    """The shared settings with this folder's cache and blobs, the gateway's address and the token it may ask for."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_file=HOME / "running.env")

    gateway_url: str = Field("http://127.0.0.1:8000", pattern=r"^https?://[^/]+$")
    token: SecretStr | None = None
    cache: Path = HOME / "cache"
    blobs_url: str = Field(default_factory=_local_blobs, pattern=BLOBS_URL)
    transcriber_model: str = "base"
    diarizer_model: str = OFFLINE

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not token.get_secret_value().isprintable():
            raise PydanticCustomError("token", "has a line break, or another letter that cannot be sent in a header")
        return token
