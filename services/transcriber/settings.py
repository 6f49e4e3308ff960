"""The transcriber's settings."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from shared.settings import Settings


def _listed(value: Any) -> Any:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


ModelNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class TranscriberSettings(Settings):
    """Which Whisper models this deployment serves and what they run on.

    `transcriber_model` serves the jobs that name none; `transcriber_models` (a comma between names) may be named
    besides. 0 threads or 0 windows a batch: chosen to suit the device.
    """

    transcriber_model: str = "ivrit-ai/whisper-large-v3-turbo-ct2"
    transcriber_models: ModelNames = ()
    transcriber_threads: int = Field(0, ge=0, le=256)
    transcriber_batch: int = Field(0, ge=0, le=128)
    transcriber_device: Literal["auto", "cpu", "cuda"] = "auto"
