"""Logs and metrics: JSON lines that carry job, stage, part, attempt and tenant, and the mesh's own stage metrics."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from types import TracebackType
from typing import Any, TypeGuard

from prometheus_client import Counter, Gauge, Histogram
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from shared.settings import S, load, misspelt

log = logging.getLogger(__name__)

NO_FIELDS = [*RESERVED_ATTRS, "color_message"]
"""What a record holds besides fields; the last is a server's message once more, for terminals."""

_context: ContextVar[dict[str, Any] | None] = ContextVar("scribe_log_context", default=None)

STEPS = Counter("scribe_steps_total", "Steps that ended, by stage and outcome", ["stage", "outcome"])
STEP_SECONDS = Histogram(
    "scribe_step_seconds",
    "Seconds a stage worked on a step",
    ["stage"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200),
)
RUNNING = Gauge("scribe_steps_running", "Steps that this process works on", ["stage"])
PUBLISHED = Counter("scribe_messages_published_total", "Messages the broker confirmed, by exchange", ["exchange"])
PARKED = Counter(
    "scribe_messages_parked_total", "Messages parked that were no steps, by the stage they came to", ["stage"]
)
SWEPT = Counter("scribe_steps_swept_total", "Steps published again because their messages were lost", ["stage"])
WAITING = Gauge("scribe_jobs_waiting", "Jobs that wait to be admitted", ["lane"])
ENGINE_SECONDS = Counter(
    "scribe_engine_seconds_total", "Seconds inside calls of the speech model, all streams together"
)
ENGINE_WINDOWS = Histogram(
    "scribe_engine_windows",
    "Windows that shared a call of the speech model",
    buckets=(1, 2, 3, 4, 6, 8, 12, 16, 32, 64),
)
REDONE = Counter("scribe_engine_redone_total", "Windows decoded again, by what was wrong", ["reason"])


@contextmanager
def logged_as(**fields: Any) -> Iterator[None]:
    """Add `fields` to every log line written inside the block, in this task and those it starts."""
    token = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(token)


class _Context(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in (_context.get() or {}).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


def begin(service: str, kind: type[S]) -> S:
    """Return the service's settings from the environment; from here on, all that the process says is JSON lines.

    A variable that is nearly a setting's gets a warning. Raises WrongSettings naming each wrong variable.
    """
    settings = load(kind)
    log_as_json(service, settings.log_level)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)
    for name, meant in misspelt(kind).items():
        log.warning("%s is read by nobody here; is %s meant?", name, meant)
    return settings


def log_as_json(service: str, level: str) -> None:
    """Send every log line of this process to standard output as one JSON object."""
    handler = logging.StreamHandler(sys.stdout)
    names = {"asctime": "time", "levelname": "level", "name": "logger"}
    form = "%(asctime)s %(levelname)s %(name)s %(message)s"
    said = {"service": service}
    handler.setFormatter(JsonFormatter(form, rename_fields=names, static_fields=said, reserved_attrs=NO_FIELDS))
    handler.addFilter(_Context())
    _take_over()
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def _take_over() -> None:
    """Take the streams from loggers that write lines of their own: libraries and servers set them up when imported."""
    for logger in filter(_is_logger, logging.root.manager.loggerDict.values()):
        own = [each for each in logger.handlers if _writes(each)]
        if own:
            logger.handlers = [each for each in logger.handlers if each not in own]
            logger.propagate = True


def _is_logger(known: logging.Logger | logging.PlaceHolder) -> TypeGuard[logging.Logger]:
    return isinstance(known, logging.Logger)


def _writes(handler: logging.Handler) -> bool:
    return type(handler) is logging.StreamHandler  # those derived from it write to files


def _uncaught(kind: type[BaseException], problem: BaseException | None, where: TracebackType | None) -> None:
    log.critical("nobody caught %s: %s", kind.__name__, problem, exc_info=(kind, problem or kind(), where))


@contextmanager
def working(stage: str) -> Iterator[None]:
    """Count the step that is worked on inside the block, and its seconds."""
    running, start = RUNNING.labels(stage), perf_counter()
    running.inc()
    try:
        yield
    finally:
        running.dec()
        STEP_SECONDS.labels(stage).observe(perf_counter() - start)


@contextmanager
def in_engine() -> Iterator[None]:
    """Count the seconds inside the block as the speech model's."""
    start = perf_counter()
    try:
        yield
    finally:
        ENGINE_SECONDS.inc(perf_counter() - start)
