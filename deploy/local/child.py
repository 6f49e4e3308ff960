"""One child process: its own process group, ended by its id, and never left behind when this process dies."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from deploy.local.faults import CannotRun

LOOPBACK = "127.0.0.1"

PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections (from 32768 on): one of these could take the port of a service
while that starts again, and keep it. What was given out stays given out: two that have not begun to listen yet would
otherwise get the same."""

_given = set[int]()

TURN_SECONDS = 60
"""How long a process waits for the end of one that it may not run beside: longer than a part takes to stop."""

LINE_BYTES = 1 << 20
"""The longest log line that is read whole."""


def inherited(changed: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with the changes: a child needs PATH, proxies, CUDA's variables and more."""
    return {**os.environ, **changed}


def free_port() -> int:
    """Return one of PORTS on the loopback that nothing listens on now, and that was not returned here before."""
    while (port := secrets.choice(PORTS)) in _given or not _is_free(port):
        pass
    _given.add(port)
    return port


def require_free(port: int, what: str) -> None:
    """Raise CannotRun if something listens on the loopback's port, naming what wanted it."""
    if not _is_free(port):
        raise CannotRun(f"port {port} is taken and {what} needs it; see who has it: ss -ltnp sport = :{port}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


async def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    log: Path | None = None,
    alone: Path | None = None,
) -> Process:
    """Start the command in a group of its own; its output is added to `log`, or goes to the process's `stdout`.

    Of the processes that are given the same file `alone` one runs at a time: the next waits for its end, also for that
    of one whose parent was killed. Raises FileNotFoundError if there is no such program.
    """
    words = (*_leash(), *(_turn(alone) if alone else ()), *command)
    if log is None:
        return await _start(words, environment, cwd, PIPE)
    with log.open("ab") as file:
        return await _start(words, environment, cwd, file.fileno())


async def _start(words: Sequence[str], environment: Mapping[str, str], cwd: Path, out: int) -> Process:
    return await asyncio.create_subprocess_exec(
        *words,
        env=dict(environment),
        cwd=cwd,
        stdin=DEVNULL,
        stdout=out,
        stderr=STDOUT,
        limit=LINE_BYTES,
        start_new_session=True,
    )


def _leash() -> tuple[str, ...]:
    # Linux ends the child when this process dies without a chance to stop it; elsewhere it would have to be found.
    leash = shutil.which("setpriv")
    return (leash, "--pdeathsig", "TERM", "--") if leash else ()


def _turn(alone: Path) -> tuple[str, ...]:
    # Becomes the command once it has the lock, which the command then holds for as long as it lives.
    turn = shutil.which("flock")
    return (turn, "--verbose", "--no-fork", "--timeout", str(TURN_SECONDS), str(alone)) if turn else ()


async def ready_first(ready: Coroutine[Any, Any, bool], process: Process, seconds: float) -> bool:
    """Whether `ready` came true before the process ended and the seconds were over; raises what `ready` raises."""
    waits: list[asyncio.Task[Any]] = [asyncio.create_task(ready), asyncio.create_task(process.wait())]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return waits[0].done() and bool(waits[0].result())
    finally:
        for wait in waits:
            wait.cancel()


async def stop(process: Process, grace: float) -> None:
    """Ask the process to end, wait up to `grace` seconds, then kill it and whatever is left of its group.

    Cancelled, as by a second Ctrl-C, it kills at once.
    """
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def tail(log: Path) -> str:
    """Return the log's last five lines, to say why a process ended."""
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-5:])
