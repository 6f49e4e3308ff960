"""Log lines for people."""

import io
import json
from pathlib import Path

import pytest

from deploy.local.lines import Printer, readable
from deploy.local.secret import keep, keys


class Terminal(io.StringIO):
    """A text file that says it is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_a_json_line_reads_as_time_level_message_and_fields() -> None:
    """Date, logger and service are left out; a value with a blank is quoted."""
    line = {"time": "2026-01-02 03:04:05,678", "level": "INFO", "logger": "x", "service": "intake", "message": "taken"}
    assert readable(json.dumps({**line, "job": "a-1", "why": "two words", "part": 3})) == (
        '03:04:05.678 INFO    taken job=a-1 why="two words" part=3'
    )


def test_what_is_no_json_object_stays_as_it_is() -> None:
    """A traceback or a number is shown untouched."""
    assert [readable(line) for line in ("Traceback:", "12", '{"a": 1}')] == ["Traceback:", "12", '{"a": 1}']


def test_every_row_carries_the_name_of_its_process() -> None:
    """An exception's rows too; without a terminal there is no colour."""
    out = io.StringIO()
    Printer(out)("diarizer", json.dumps({"level": "ERROR", "message": "broke", "exc_info": "one\ntwo"}))
    assert out.getvalue().splitlines() == ["diarizer     | ERROR   broke", "diarizer     | one", "diarizer     | two"]


def test_what_a_terminal_would_obey_is_shown() -> None:
    """A publisher's field is told in a message and as a value; neither clears the operator's screen."""
    out, field = io.StringIO(), "\x1b[2J\x9b2J"
    Printer(out)("intake", json.dumps({"level": "WARNING", "message": f"rejected: {field}", "reason": field}))
    shown = r"\x1b[2J\x9b2J"
    assert out.getvalue() == f"intake       | WARNING rejected: {shown} reason={shown}\n"


def test_a_terminal_gets_a_colour_per_process_and_one_for_alarm() -> None:
    """Each name keeps its own colour; errors are red."""
    out = Terminal()
    printer = Printer(out)
    for name in ("intake", "gateway", "intake"):
        printer(name, json.dumps({"time": "2026-01-02 03:04:05,678", "level": "ERROR", "message": "broke"}))
    first, second, third = out.getvalue().splitlines()
    assert first == third
    assert first[:5] != second[:5]
    assert "\x1b[31m03:04:05.678 ERROR" in first


def test_a_file_that_holds_a_secret_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """One without the keys would be taken for the keys at every later start."""
    with pytest.raises(UnicodeEncodeError):
        keep(tmp_path / "secrets.env", "SCRIBE_SEAL_KEY=\udfff")
    assert not (tmp_path / "secrets.env").exists()
    assert len(keys(tmp_path / "secrets.env")) == 2


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    """A second start seals with the same keys."""
    made = keys(tmp_path / "secrets.env")
    assert keys(tmp_path / "secrets.env") == made
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600
