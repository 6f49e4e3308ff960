"""What a process says: one JSON object a line, whoever says it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

TALKATIVE = """
import logging, threading, warnings
library = logging.getLogger("library")
library.addHandler(logging.StreamHandler())
library.propagate = False
from shared.settings import Settings
from shared.telemetry import begin, logged_as
begin("talker", Settings)
with logged_as(job="a-1"):
    logging.getLogger("ours").info("done", extra={"color_message": "in colour"})
library.warning("on a stream of its own")
warnings.warn("old")
thread = threading.Thread(target=lambda: {}["in a thread"])
thread.start()
thread.join()
raise ValueError("two\\nrows")
"""


def said(*command: str, **environment: str) -> list[dict[str, Any]]:
    """Return the lines that a Python process writes, each of which must be JSON; it must end with an error."""
    done = subprocess.run(  # noqa: S603 - our own words
        (sys.executable, *command),
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_line_of_a_process_is_one_json_object() -> None:
    """Its own, a library's that set up a stream, a warning, and what nobody caught, in a thread and at the end."""
    lines = said("-c", TALKATIVE, PYTHONPATH=str(ROOT))
    assert [each["level"] for each in lines] == ["INFO", "WARNING", "WARNING", "CRITICAL", "CRITICAL"]
    assert {each["service"] for each in lines} == {"talker"}
    assert (lines[0]["job"], lines[1]["logger"]) == ("a-1", "library")
    assert "color_message" not in lines[0]
    assert "old" in lines[2]["message"]
    assert "in a thread" in lines[3]["message"]
    assert "ValueError: two\nrows" in lines[4]["exc_info"]


def test_a_misspelt_variable_is_told_at_the_start() -> None:
    """Passed over in silence, it would look as if it held."""
    begins = (
        "from shared.settings import Settings; from shared.telemetry import begin; begin('talker', Settings); 1 / 0"
    )
    lines = said("-c", begins, PYTHONPATH=str(ROOT), SCRIBE_GRASE="7")
    assert lines[0]["message"] == "SCRIBE_GRASE is read by nobody here; is SCRIBE_GRACE meant?"


@pytest.mark.parametrize(
    ("service", "variable", "value"),
    [
        ("diarizer", "SCRIBE_AMQP_URL", "amqp://scribe:secret@127.0.0.1:1/"),
        ("enhancer", "SCRIBE_MONGO_URL", "mongodb://scribe:sec@ret@127.0.0.1/"),
        ("enhancer", "SCRIBE_BLOBS_URL", "file:///dev/null/blobs"),
    ],
)
def test_what_a_service_cannot_start_without_is_named_by_its_variable(service: str, variable: str, value: str) -> None:
    """As JSON like all before it, in the message itself, with what is wrong and what to do; no password."""
    words = ("-m", "faststream", "run", f"services.{service}.main:build", "--factory")
    usable = {"SCRIBE_BLOBS_URL": "memory://"}
    lines = said(*words, **{**usable, variable: value})
    assert lines[-1]["message"].startswith(f"nobody caught Unusable: {variable}: ")
    assert "name a" in lines[-1]["message"].rpartition("; ")[2]
    assert "sec" not in json.dumps(lines)
