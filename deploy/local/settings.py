"""What the one-machine runner takes from the environment: each part named here is used as it is and not started."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared.seal import SealKey
from shared.settings import Settings


class LocalSettings(Settings):
    """The shared settings, but with None where the runner is to bring its own part."""

    amqp_url: str | None = Field(None, pattern=r"^amqps?://")  # type: ignore[assignment]  # None means: start one
    mongo_url: str | None = Field(None, pattern=r"^mongodb(\+srv)?://")  # type: ignore[assignment]  # as above
    blobs_url: str | None = Field(None, pattern=r"^(file:///|(s3|gs|az)://.)")  # type: ignore[assignment]  # as above
    cache: Path | None = None  # type: ignore[assignment]  # as above
    work_dir: Path | None = None
    seal_key: SealKey | None = None
    signing_key: SecretStr | None = Field(None, min_length=16)

    @property
    def keys(self) -> dict[str, str]:
        """The keys that are named, by their variables."""
        named = {"SCRIBE_SEAL_KEY": self.seal_key, "SCRIBE_SIGNING_KEY": self.signing_key}
        return {variable: key.get_secret_value() for variable, key in named.items() if key}
