"""Log lines for people: JSON in, `time level message key=value` out, behind the name of the process."""

import json
import sys
from contextlib import suppress
from typing import Any, TextIO

LEFT_OUT = ("time", "level", "message", "logger", "service", "exc_info", "stack_info")
NAME_WIDTH = 13
HEAD_WIDTH = 22
"""Characters of a readable line that hold its time and level."""

PLAIN = "\x1b[0m"
COLOURS = (36, 32, 33, 35, 34, 96, 92, 95)
"""ANSI foreground colours that read on dark and on light; each process name keeps one."""

ALARMING = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}


def readable(line: str) -> str:
    """Return the log line as people read it; what is no JSON object stays as it is.

    The date is left out; an exception's traceback follows on lines of its own.
    """
    try:
        said = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict) or "message" not in said:
        return line
    clock = str(said.get("time", "")).replace("T", " ").rpartition(" ")[2].replace(",", ".")[:12]
    fields = " ".join(f"{name}={_value(value)}" for name, value in said.items() if name not in LEFT_OUT)
    head = f"{clock} {said.get('level', ''):<7} {said['message']} {fields}".strip()
    return f"{head}\n{said['exc_info']}" if said.get("exc_info") else head


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text


class Printer:
    """Writes each process's lines to `out`, the name in front; in colour if `out` is a terminal."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._colours: dict[str, int] = {}

    def __call__(self, name: str, line: str) -> None:
        """Write one line of the process called `name`."""
        # Where it cannot be written (the reader of a pipe has gone, the terminal, the room on the disk) it is lost:
        # a service whose lines nobody took any more would stand still in the middle of its steps.
        with suppress(OSError):
            for row in readable(line).splitlines() or [""]:
                self._out.write(f"{self._head(name)} {self._body(row)}\n")
            self._out.flush()

    def _head(self, name: str) -> str:
        padded = f"{name:<{NAME_WIDTH}}|"
        if not self._out.isatty():
            return padded
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\x1b[{colour}m{padded}{PLAIN}"

    def _body(self, row: str) -> str:
        level = next((word for word in row[:HEAD_WIDTH].split() if word in ALARMING), None)
        return f"{ALARMING[level]}{row}{PLAIN}" if level and self._out.isatty() else row
