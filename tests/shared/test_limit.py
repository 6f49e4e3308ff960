"""A step that outlives its limit ends its process, whatever holds it; one that does not leaves no trace."""

import subprocess
import sys
import time

HANGS = """
import ctypes
from shared.mesh.limit import time_limit
with time_limit(60), time_limit(0.5):
    ctypes.PyDLL(None).sleep(100)  # holds the interpreter: no Python code runs beside it
"""
ENDS = """
import time
from shared.mesh.limit import SLACK_SECONDS, time_limit
with time_limit(1):
    pass
with time_limit(60):
    time.sleep(1 + 1.5 * SLACK_SECONDS)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - the programs above


def test_a_hang_in_native_code_ends_the_process_and_says_where() -> None:
    """Status 1, and the traceback of what hung on standard error, long before the hang would end."""
    began = time.monotonic()
    ended = run(HANGS)
    assert ended.returncode == 1
    assert "line 5" in ended.stderr
    assert time.monotonic() - began < 50


def test_a_step_that_ends_in_time_is_not_remembered() -> None:
    """The limit of a step that is over ends nobody later, though the watchdog that was set for it may be late."""
    assert run(ENDS).returncode == 0
