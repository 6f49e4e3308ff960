"""Jobs and outputs to test with."""

from typing import Any
from uuid import uuid4

from shared.clock import now
from shared.jobs.changes import Moved
from shared.jobs.document import Job
from shared.jobs.moves import opened
from shared.jobs.states import JobState
from shared.options import Options
from shared.topology import Lane
from shared.transcript import Chunk, ChunkText, Cut, Diarization, HeardPiece, Prepared, Published, Segment, Span, Turn

WINDOW = 2


def new_job(lane: Lane = Lane.NORMAL, **options: Any) -> Moved:
    """Return a job just accepted, with the options given."""
    asked = Options.model_validate({"source": {"url": "http://127.0.0.1/a.wav"}, **options})
    moment = now()
    job = Job(
        id=str(uuid4()),
        tenant="acme",
        lane=lane,
        state=JobState.ACCEPTED,
        options=asked,
        created=moment,
        updated=moment,
    )
    return opened(job, WINDOW)


def prepared(chunks: int = 3, duration: float | None = None, digests: tuple[str, ...] = ()) -> Prepared:
    """Return a downloader's output with chunks of ten seconds, of a recording with silence behind them."""
    cuts = tuple(
        Chunk(index=i, start=i * 10.0, end=i * 10.0 + 10, windows=(Span(start=i * 10.0, end=i * 10.0 + 9),))
        for i in range(chunks)
    )
    made = {"sha256": "0" * 64, "bytes": 1, "duration": duration or chunks * 10.0}
    return Prepared(original="o", pcm="p", chunks=cuts, digests=digests, **made)


def cut(*digests: str) -> Cut:
    """Return what a downloader announces of its output: as many chunks as there are digests."""
    return Cut(pcm="p", chunks=prepared(len(digests)).chunks, digests=digests)


def chunk_text(index: int, text: str = "שלום") -> ChunkText:
    """Return a transcriber's output for one chunk."""
    segment = Segment(start=index * 10.0, end=index * 10.0 + 5, text=text)
    return ChunkText(index=index, language="he", language_probability=0.9, segments=(segment,), model="base")


def diarization() -> Diarization:
    """Return a diarizer's output with one voice."""
    return Diarization(turns=(Turn(start=0, end=10, speaker="SPEAKER_00"),), model="offline")


def heard_piece(part: int) -> HeardPiece:
    """Return a diarizer's output for one piece of a long recording."""
    return HeardPiece(heard=f"jobs/acme/x/heard.{part}.1.npz")


def published() -> Published:
    """Return an enhancer's output."""
    return Published(transcript="jobs/acme/x/transcript.1.json", words=3, speakers=1)
