"""Commands on jobs: submit, watch, transcript, cancel."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from services.operator.failed import Failed
from services.operator.follow import follow
from services.operator.gateway import Gateway
from services.operator.message import job_message
from services.operator.screen import screen
from services.operator.settings import OperatorSettings
from shared.settings import load
from shared.transcript import Form

T = TypeVar("T")

JobId = Annotated[UUID, typer.Argument(help="The job's id, as `scribe submit` printed it.")]


def submit(
    source: Annotated[str, typer.Argument(help="An http(s) address or a local file.")],
    language: Annotated[str | None, typer.Option(help="Language code; detected if not given.")] = None,
    priority: Annotated[str | None, typer.Option(help="background, normal, high or urgent.")] = None,
    diarize: Annotated[bool | None, typer.Option("--diarize/--no-diarize", help="Tell the speakers apart.")] = None,
    num_speakers: Annotated[int | None, typer.Option(help="How many speakers there are, if known.")] = None,
    model: Annotated[str | None, typer.Option(help="A Whisper model that the deployment serves.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Any other option: name=value, value as JSON.")] = None,
) -> None:
    """Submit a recording and print the job's id."""
    recording = located(source)
    address = [] if isinstance(recording, Path) else [f"source.url={json.dumps(recording)}"]
    message = job_message(
        [*(option or []), *address],
        language=language,
        priority=priority,
        diarize=diarize,
        num_speakers=num_speakers,
        model=model,
    )
    typer.echo(with_gateway(lambda gateway: _send(gateway, recording, message)))


def watch(job: JobId) -> None:
    """Show a job's progress until it has ended."""
    console = screen(stderr=True)
    with_gateway(lambda gateway: follow(gateway, str(job), console))


def transcript(
    job: JobId, form: Annotated[Form, typer.Option("--format", help="What to print it as.")] = Form.TXT
) -> None:
    """Print a job's transcript."""
    typer.echo(with_gateway(lambda gateway: gateway.transcript(str(job), form)))


def cancel(job: JobId) -> None:
    """Cancel a job."""
    with_gateway(lambda gateway: gateway.cancel(str(job)))


def located(source: str) -> str | Path:
    """Return the address as it is, or the path of the file; raise Failed if there is no such file to read."""
    if "://" in source:
        return source
    if not Path(source).is_file():
        raise Failed(f"there is no file '{source}'; give a path to a recording, or an http(s) address")
    try:
        Path(source).open("rb").close()
    except OSError as closed:
        raise Failed(f"the file '{source}' cannot be read: {closed.strerror}") from closed
    return Path(source)


async def _send(gateway: Gateway, source: str | Path, message: dict[str, Any]) -> str:
    if isinstance(source, Path):
        return await gateway.upload(source, message)
    return await gateway.submit(message)


def with_gateway(do: Callable[[Gateway], Awaitable[T]]) -> T:
    """Return what `do` returns of a session with the gateway."""

    async def session() -> T:
        async with Gateway.of(load(OperatorSettings)) as gateway:
            return await do(gateway)

    return asyncio.run(session())
