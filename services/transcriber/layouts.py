"""How a machine's cores are shared out: few streams of many threads or many of few, measured once and remembered.

Two threads make the decoding of one window slower than one does, and a batch only a little faster; a second stream
beside the first does better where memory keeps up. Which it is differs by machine and model, so it is tried out.
"""

import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer

from services.transcriber.settings import TranscriberSettings

log = logging.getLogger(__name__)

MOST_STREAMS = 4
MOST_THREADS = 8
"""Beyond these another process is the better use of a machine."""

GPU_STREAMS = 2
"""One stream's alignment and Python run while the other keeps the GPU busy."""

SECONDS = 10
STEPS = 24
ROUNDS = 3
"""What is tried out: windows of noise this long, as many tokens written of each, and the best of so many rounds."""


@dataclass(frozen=True)
class Layout:
    """How many batches are decoded at once, and on how many threads each."""

    streams: int
    threads: int


def layouts(settings: TranscriberSettings, device: str) -> list[Layout]:
    """Return the layouts to choose from: the one that is set, or all that give every core one thread."""
    streams, threads = settings.transcriber_streams, settings.transcriber_threads
    if device == "cuda":
        return [Layout(streams or GPU_STREAMS, threads or 1)]
    cores = os.cpu_count() or 1
    if streams or threads:
        return [Layout(streams or 1, threads or max(min(cores // streams, MOST_THREADS), 1))]
    shares = [Layout(cores // threads, threads) for threads in (1, 2, 4, MOST_THREADS) if threads <= cores]
    return [each for each in shares if each.streams <= MOST_STREAMS] or [Layout(MOST_STREAMS, MOST_THREADS)]


def fastest(
    memory: Path, model: str, candidates: Sequence[Layout], load: Callable[[Layout], Any], batch: int
) -> Layout:
    """Return the layout that decodes most, from the folder `memory` if it was measured before; blocks for seconds."""
    file = memory / f"{model.replace('/', '--')}-{os.cpu_count()}-cores-ctranslate2-{ctranslate2.__version__}.json"
    if file.exists():
        return Layout(**json.loads(file.read_text())["fastest"])
    speeds = {layout: speed(load(layout), layout.streams, batch) for layout in candidates}
    best = max(speeds, key=speeds.__getitem__)
    log.info("the fastest layout for %s is %s; windows a second: %s", model, best, speeds)
    _remember(file, {"fastest": asdict(best), "windows_a_second": {str(each): speeds[each] for each in speeds}})
    return best


def _remember(file: Path, found: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(found, indent=2) + "\n")
        written.replace(file)
    except OSError as refused:
        log.warning("the layout is measured again at the next start, because it cannot be kept: %s", refused)


def speed(whisper: Any, streams: int, batch: int) -> float:
    """Return how many windows a second a model decodes with all its streams at work."""
    mels = np.random.default_rng(0).normal(size=(batch, whisper.model.n_mels, SECONDS * 100)).astype(np.float32)
    tokenizer = Tokenizer(whisper.hf_tokenizer, whisper.model.is_multilingual, "transcribe", "en")
    prompt = whisper.get_prompt(tokenizer, [], without_timestamps=True)

    def decode(_: int) -> None:
        # Noise ends at once, if it may; CTranslate2 writes up to half of `max_length`.
        whisper.model.generate(
            whisper.encode(mels), [prompt] * batch, max_length=2 * STEPS, suppress_tokens=[tokenizer.eot]
        )

    def seconds() -> float:
        start = perf_counter()
        list(threads.map(decode, range(streams)))
        return perf_counter() - start

    with ThreadPoolExecutor(streams) as threads:
        seconds()
        return streams * batch / min(seconds() for _ in range(ROUNDS))
