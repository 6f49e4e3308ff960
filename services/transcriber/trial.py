"""What a model does on its device, through all of its streams at once: how fast it is, and whether it works at all."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
from faster_whisper.tokenizer import Tokenizer

from services.transcriber.decoding import WhisperDecoder
from services.transcriber.ready import FULL_SECONDS, Ready
from services.transcriber.speech import Window
from shared.options import Options, Source
from shared.transcript import SAMPLE_RATE

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


def rehearse(whisper: Any, streams: int) -> None:
    """Let each stream encode, write down and align two windows of silence; raises whatever that fails with.

    They are of unlike lengths because that is the longer way through CTranslate2's alignment.
    """
    options = Options(source=Source(object="uploads/none/silence"))
    windows = (Window(np.zeros(seconds * SAMPLE_RATE, np.float32), "en", "", options) for seconds in (1, 2))
    silence = [Ready.of(window, whisper, FULL_SECONDS) for window in windows]
    with ThreadPoolExecutor(streams) as threads:
        list(threads.map(WhisperDecoder().together, [silence] * streams))
