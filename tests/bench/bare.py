"""Bare faster-whisper, as its users call it: a process that does what it is told line by line, in JSON.

`python -m tests.bench.bare MODEL DEVICE COMPUTE_TYPE THREADS` loads the model and says `{"ready": true}`. A line in is
`{"files": […], "batch": 0 for one window after the other, else so many windows at once, "words": whether with times
of words, "clips": what to decode instead of what the library's voice detection finds, or null}`; the line out is
`{"seconds": …, "texts": […]}`, one text a file.
"""

import json
import sys
import time
from typing import Any

from faster_whisper import BatchedInferencePipeline, WhisperModel

from shared import cublas

LANGUAGE = "en"


def texts(model: WhisperModel, asked: dict[str, Any]) -> list[str]:
    """Return the text of each file, decoded one after the other with the library's defaults."""
    options = {"language": LANGUAGE, "word_timestamps": asked["words"]}
    if not asked["batch"]:
        return [_text(model.transcribe(file, **options)) for file in asked["files"]]
    options |= {"batch_size": asked["batch"]} | ({"clip_timestamps": asked["clips"]} if asked["clips"] else {})
    batched = BatchedInferencePipeline(model)
    return [_text(batched.transcribe(file, **options)) for file in asked["files"]]


def _text(found: tuple[Any, Any]) -> str:
    return " ".join(segment.text.strip() for segment in found[0])


def main(path: str, device: str, compute_type: str, threads: str) -> None:
    """Load the model, then answer each line."""
    if device == "cuda":
        cublas.load()  # as the transcriber does: neither is told where it lies
    model = WhisperModel(
        path, device=device, compute_type=compute_type, cpu_threads=int(threads), local_files_only=True
    )
    _say({"ready": True})
    for line in sys.stdin:
        began = time.monotonic()
        found = texts(model, json.loads(line))
        _say({"seconds": time.monotonic() - began, "texts": found})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
