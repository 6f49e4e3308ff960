"""How a machine's cores are shared out: few streams of many threads or many of few, measured once and remembered.

Two threads make the decoding of one window slower than one does, and a batch only a little faster; a second stream
beside the first does better where memory keeps up. Which it is differs by machine and model, so it is tried out.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ctranslate2

from services.transcriber.kept import keep, kept
from services.transcriber.settings import TranscriberSettings
from services.transcriber.trial import speed
from shared.cores import cores
from shared.locks import held

log = logging.getLogger(__name__)

MOST_STREAMS = 4
MOST_THREADS = 8
"""Beyond these another process is the better use of a machine."""

GPU_STREAMS = 2
"""One stream's alignment and Python run while the other keeps the GPU busy."""


@dataclass(frozen=True)
class Layout:
    """How many batches are decoded at once, and on how many threads each."""

    streams: int
    threads: int


def layouts(settings: TranscriberSettings, device: str) -> list[Layout]:
    """Return the layouts to choose from: the one that is set, or all that give every core one thread.

    Beyond MOST_STREAMS x MOST_THREADS cores there is only the largest, with nothing to measure it against.
    """
    streams, threads = settings.transcriber_streams, settings.transcriber_threads
    if device == "cuda":
        return [Layout(streams or GPU_STREAMS, threads or 1)]
    if streams or threads:
        return [Layout(streams or 1, threads or max(min(cores() // streams, MOST_THREADS), 1))]
    shares = [Layout(cores() // threads, threads) for threads in (1, 2, 4, MOST_THREADS) if threads <= cores()]
    return [each for each in shares if each.streams <= MOST_STREAMS] or [Layout(MOST_STREAMS, MOST_THREADS)]


def cache_file(folder: Path, model: str, compute_type: str, batch: int) -> Path:
    """Return the file that keeps what was found out about the model here; its name has all that this depends on."""
    versions = f"{compute_type}-ctranslate2-{ctranslate2.__version__}"
    return folder / f"{model.replace('/', '--')}-{cores()}-cores-{batch}-at-once-{versions}.json"


def fastest(file: Path, candidates: Sequence[Layout], load: Callable[[Layout], Any], batch: int) -> Layout:
    """Return the layout that decodes most, from the file if it was measured before; blocks for seconds.

    Of processes that start together one measures, undisturbed, and the others wait for what it finds.
    """
    if known := _known(file):
        return known
    with _alone(file):
        return _known(file) or _measured(file, candidates, load, batch)


def _known(file: Path) -> Layout | None:
    return kept(file, lambda content: Layout(**content["fastest"]))


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let no other process measure inside the block, if the folder can be written to."""
    with ExitStack() as alone:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            alone.enter_context(held(file.with_suffix(".lock")))
        except OSError as refused:
            log.warning("the layout is measured beside whatever else starts here, without a lock: %s", refused)
        yield


def _measured(file: Path, candidates: Sequence[Layout], load: Callable[[Layout], Any], batch: int) -> Layout:
    """Return the fastest layout, and remember it."""
    speeds = {layout: speed(load(layout), layout.streams, batch) for layout in candidates}
    best = max(speeds, key=speeds.__getitem__)
    log.info("the fastest layout is %s; windows a second: %s", best, speeds)
    keep(file, {"fastest": asdict(best), "windows_a_second": {str(each): speeds[each] for each in speeds}})
    return best
