"""Steps of the diarizer, and what they lie on."""

from datetime import UTC, datetime
from typing import Any

from shared.blobs import ObjectStore
from shared.jobs.document import Facts, Job
from shared.jobs.states import JobState
from shared.jobs.step import Step
from shared.mesh.work import Work
from shared.options import Options
from shared.topology import Lane, Stage
from shared.transcript import SAMPLE_RATE, Chunk, HeardPiece, Prepared, Turn
from tests.recordings import lay_down


def work(samples: int, part: int = 0, pieces: tuple[HeardPiece, ...] = (), **options: Any) -> Work:
    """One attempt at diarizing, or a part of it, a recording of that many samples, all of it one chunk."""
    now, duration = datetime.now(UTC), samples / SAMPLE_RATE
    asked = Options(source={"url": "https://example.test/a.wav"}, **options)
    at = {"created": now, "updated": now, "facts": Facts(duration=duration, chunks=1)}
    job = Job(id="j", tenant="t", lane=Lane.NORMAL, state=JobState.RUNNING, options=asked, **at)
    chunk = Chunk(start=0, end=duration, index=0, windows=())
    prepared = Prepared(original="o", pcm="p", sha256="", bytes=0, duration=duration, chunks=(chunk,))
    inputs = {Stage.DOWNLOADER: (prepared,), Stage.DIARIZER: pieces}
    return Work(job, Step("j", Stage.DIARIZER, part), inputs=inputs)


async def blobs(pcm: bytes) -> ObjectStore:
    """An object store in memory that holds the recording."""
    store = ObjectStore("memory://")
    await lay_down(store, "p", pcm)
    return store


def turn(start: float, end: float, speaker: str) -> Turn:
    """A turn in one line."""
    return Turn(start=start, end=end, speaker=speaker)
