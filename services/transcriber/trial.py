"""How fast a model is: noise through all of its streams at once, so many windows a second."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
from faster_whisper.tokenizer import Tokenizer

SECONDS = 10
STEPS = 24
ROUNDS = 3
"""What is tried out: windows of noise this long, as many tokens written of each, and the best of so many rounds."""


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
