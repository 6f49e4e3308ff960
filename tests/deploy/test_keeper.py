"""What keeps one process of a service: its end, and its lines."""

import asyncio
import signal
import sys

from deploy.local.child import LINE_BYTES
from deploy.local.keeper import Keeper
from tests.deploy.test_local import until


async def test_a_process_that_ignores_the_request_to_end_is_killed() -> None:
    """The grace has an end."""
    heard = asyncio.Event()
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    keeper = Keeper("deaf", (sys.executable, "-c", deaf), {}, 0, lambda *_: heard.set())
    keeper.start()
    await heard.wait()
    assert keeper.process
    await keeper.stop(0.2)
    assert keeper.process.returncode == -signal.SIGKILL


async def test_a_line_longer_than_any_ends_neither_the_process_nor_its_other_lines() -> None:
    """Unread, a process stands still once its pipe is full, and looks alive."""
    lines, heard = list[str](), asyncio.Event()

    def say(_: str, line: str) -> None:
        lines.append(line)
        heard.set()

    words = f"import time; print('x' * {2 * LINE_BYTES}); print('and on', flush=True); time.sleep(60)"
    keeper = Keeper("wordy", (sys.executable, "-c", words), {}, 0, say)
    keeper.start()
    try:
        await until(lambda: "and on" in lines, heard)
    finally:
        await keeper.stop(0.2)
    assert any("left out" in line for line in lines)
