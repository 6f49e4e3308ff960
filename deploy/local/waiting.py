"""Waiting until service processes are ready, and saying which is not and why."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus

import aiohttp

from deploy.local.child import LOOPBACK
from deploy.local.faults import CannotRun
from deploy.local.keeper import Keeper

HOPELESS = 3
"""A process that ended this often before it was ready will not start by trying again."""

LOOK_SECONDS = 1.0
"""How long to wait at most, while a process says nothing, before asking again whether it is ready."""


async def until_ready(keepers: Iterable[Keeper], seconds: float) -> None:
    """Return when every process says on its health port that it is ready.

    Raises CannotRun, with the process's last lines, if one keeps ending or is not ready within the seconds.
    """
    async with aiohttp.ClientSession() as session:
        waits = [asyncio.create_task(_ready(session, keeper, seconds)) for keeper in keepers]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()


async def _ready(session: aiohttp.ClientSession, keeper: Keeper, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not await _says_ready(session, keeper.port):
                if keeper.failures >= HOPELESS:
                    raise CannotRun(f"{keeper.name} does not start; its last lines:\n{_last(keeper)}")
                await _next_line(keeper)
    except TimeoutError:
        raise CannotRun(f"{keeper.name} is not ready after {seconds:.0f} s; its last lines:\n{_last(keeper)}") from None


def _last(keeper: Keeper) -> str:
    return "\n".join(keeper.last) or "(it said nothing)"


async def _says_ready(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://{LOOPBACK}:{port}/ready") as response:
            return response.status == HTTPStatus.OK
    except aiohttp.ClientError:
        return False  # not listening yet, or ended: the keeper tells


async def _next_line(keeper: Keeper) -> None:
    # What a process says is when something changed; the timeout is for what changes silently (a part came back).
    keeper.spoke.clear()
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await keeper.spoke.wait()
    except TimeoutError:
        return
