"""The mesh on this machine: `scribe up`. The only module of a service that knows the one-machine runner."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from deploy.local.faults import CannotRun
from deploy.local.lines import Printer
from deploy.local.runner import LocalMesh
from services.operator.failed import Failed
from services.operator.settings import HOME, OperatorSettings
from shared.settings import load

READY_SECONDS = 300.0
"""How long all services together may take to start: on two cores each imports its engine at the same time."""

T = TypeVar("T")

Home = Annotated[Path, typer.Option(help="Where the local mesh keeps its data.")]


def up(
    home: Home = HOME,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The gateway's port; 0: a free one.")] = 8000,
    scale: Annotated[list[str] | None, typer.Option(help="Processes of a service: transcriber=2.")] = None,
) -> None:
    """Start the broker, the database and every service on this machine; Ctrl-C stops them."""
    run(_stay(LocalMesh(home, gateway_port=port, environment=_cache(), scale=scales(scale or []))))


async def _stay(mesh: LocalMesh) -> None:
    began = time.monotonic()
    async with mesh:
        await mesh.wait_ready(READY_SECONDS)
        typer.secho(
            f"ready after {time.monotonic() - began:.1f} s: gateway {mesh.gateway_url}, "
            f"broker {mesh.amqp_url if mesh.parts.broker else 'of SCRIBE_AMQP_URL'}, "
            f"database {mesh.mongo_url if mesh.parts.database else 'of SCRIBE_MONGO_URL'}; Ctrl-C stops everything",
            bold=True,
        )
        with suppress(asyncio.CancelledError):  # Ctrl-C is how this ends
            await mesh.last()


@asynccontextmanager
async def logged_mesh(home: Path, log: Path) -> AsyncIterator[str]:
    """Run a mesh on free ports, its processes' lines in `log`, and give its gateway's address once all is ready."""
    with log.open("w") as out:
        async with LocalMesh(home, environment=_cache(), say=Printer(out)) as mesh:
            await mesh.wait_ready(READY_SECONDS)
            yield mesh.gateway_url


def _cache() -> dict[str, str]:
    # Models are fetched once for this folder, whatever home the mesh has.
    return {"SCRIBE_CACHE": str(load(OperatorSettings).cache.resolve())}


def scales(words: list[str]) -> dict[str, int]:
    """Return the processes of each service, of words such as `transcriber=2`; raise Failed naming a wrong word."""
    named = {}
    for word in words:
        name, _, count = word.partition("=")
        if not count.isdecimal():
            raise Failed(f"--scale '{word}' is no service=number, such as transcriber=2")
        named[name] = int(count)
    return named


def run(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; Ctrl-C, SIGTERM and a terminal that closes end it in order, a second one at once.

    Raises Failed for what cannot run.
    """
    try:
        return asyncio.run(_stoppable(work))
    except CannotRun as cannot:
        raise Failed(str(cannot)) from cannot
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _stoppable(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    # SIGINT by name too: a shell starts what runs in the background with it ignored, and asyncio leaves it so.
    # SIGHUP, as a terminal that closes sends it, stays ignored under nohup.
    kept = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
    for ending in (signal.SIGINT, signal.SIGTERM, *kept):
        asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    return await task
