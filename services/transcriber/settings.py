"""The transcriber's settings."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import NoDecode

from shared.settings import LISTED, Settings

ModelNames = Annotated[tuple[str, ...], NoDecode, LISTED]


class TranscriberSettings(Settings):
    """Which Whisper models this deployment serves and what they run on.

    `transcriber_model` serves the jobs that name none; `transcriber_models` (a comma between names) may be named
    besides. `transcriber_streams` batches of up to `transcriber_batch` whole windows, or as many short ones as take no
    longer, are decoded at once, each on `transcriber_threads` threads; 0: chosen to suit the machine. Once a batch does
    not fit into memory, all that follow are narrower, for a day also after a start with the same settings. A model sees
    `transcriber_slack` seconds or a little more of silence behind a window; 30: always all that it can see; None: less
    only where that was measured to cost no words (`services.transcriber.slack`). `transcriber_device`: `auto` takes
    CUDA where there is a GPU and cuBLAS for it; `cuda` refuses to start without them.
    """

    transcriber_model: str = "ivrit-ai/whisper-large-v3-turbo-ct2"
    transcriber_models: ModelNames = ()
    transcriber_streams: int = Field(0, ge=0, le=64)
    transcriber_threads: int = Field(0, ge=0, le=256)
    transcriber_batch: int = Field(0, ge=0, le=128)
    transcriber_slack: float | None = Field(None, ge=5, le=30)
    transcriber_device: Literal["auto", "cpu", "cuda"] = "auto"
