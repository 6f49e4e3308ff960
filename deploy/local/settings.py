"""What the one-machine runner takes from the environment: each part named here is used as it is and not started."""

from pathlib import Path

from pydantic import Field

from shared.settings import Settings


class LocalSettings(Settings):
    """The shared settings, but with None where the runner is to bring its own part."""

    amqp_url: str | None = Field(None, pattern=r"^amqps?://")  # type: ignore[assignment]  # None means: start one
    mongo_url: str | None = Field(None, pattern=r"^mongodb(\+srv)?://")  # type: ignore[assignment]  # as above
    blobs_url: str | None = Field(None, pattern=r"^(file|s3|gs|az)://")  # type: ignore[assignment]  # as above
    cache: Path | None = None  # type: ignore[assignment]  # as above
