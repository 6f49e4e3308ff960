"""What a process found out about its machine, kept in the cache for the next start; a failing cache costs a warning."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


def kept(file: Path, read: Callable[[Any], T]) -> T | None:
    """Return what `read` makes of the file's content, None if there is no file; a damaged one counts as none."""
    try:
        return read(json.loads(file.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as damaged:
        log.warning("what was kept is found out again, because %s cannot be read: %r", file, damaged)
        return None


def keep(file: Path, found: dict[str, Any]) -> None:
    """Write the file, whole or not at all."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(found, indent=2) + "\n")
        written.replace(file)
    except OSError as refused:
        log.warning("what was found out is found out again at the next start, because it cannot be kept: %s", refused)
