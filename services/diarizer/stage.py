"""The diarizer's stage: from the prepared recording to who speaks when.

A long recording is listened to in pieces, by as many processes as there are; the part behind them joins what they heard
and tells the speakers apart in the whole.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from services.diarizer.heard import Heard
from services.diarizer.turns import named, too_few, within
from shared import flow, pcm
from shared.blobs import PART_BYTES, Blobs
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.work import Work
from shared.models import FETCH_AGAIN_SECONDS, ModelUnavailable, NoSuchModel
from shared.transcript import SAMPLE_RATE, Diarization, HeardPiece, Prepared, Turn

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


class Engine(Protocol):
    """What the stage needs of a pipeline that finds speakers; its labels may be anything."""

    @property
    def model(self) -> str:
        """The name of the pipeline."""

    @property
    def versions(self) -> dict[str, str]:
        """The versions of what decides the result."""

    @property
    def overlap(self) -> float:
        """The seconds of the next piece that a piece is listened to with."""

    def listen(self, samples: Samples, on_progress: Callable[[float], None]) -> Heard:
        """Return what is heard; call `on_progress` between units of work and let what it raises end the run."""

    def tell_apart(
        self, heard: Heard, *, num_speakers: int | None, min_speakers: int | None, max_speakers: int | None
    ) -> list[Turn]:
        """Return the turns of a recording heard whole."""


async def diarize(work: Work, engine: Engine, blobs: Blobs) -> Diarization | HeardPiece:
    """Return who speaks when, speakers named in the order in which they are first heard, or what was heard of a piece.

    Raises GiveUp if there is no such model, TryLater if it cannot be fetched now, Stopped once `work.stop` is set.
    """
    prepared = work.outputs(Prepared)[0]
    if not prepared.chunks:  # nothing was said
        return Diarization(model=engine.model, versions=engine.versions)
    with _deliberate_failures():
        if flow.joins(work.job, work.step):
            return await _told_apart(work, engine, prepared, await _joined(work, blobs))
        heard = await _listened(work, engine, prepared, blobs)
        if flow.pieces(work.job) > 1:
            return await _kept(work, heard, blobs)
        return await _told_apart(work, engine, prepared, heard)


@contextmanager
def _deliberate_failures() -> Iterator[None]:
    try:
        yield
    except NoSuchModel as error:
        raise GiveUp(str(error)) from error
    except ModelUnavailable as error:
        raise TryLater(str(error), FETCH_AGAIN_SECONDS) from error


async def _listened(work: Work, engine: Engine, prepared: Prepared, blobs: Blobs) -> Heard:
    def on_progress(fraction: float) -> None:
        work.check()
        work.progress(fraction)

    samples = await read(work, prepared, blobs, *_span(work, prepared, engine.overlap))
    return await asyncio.to_thread(engine.listen, samples, on_progress)


async def _kept(work: Work, heard: Heard, blobs: Blobs) -> HeardPiece:
    # An attempt has an object of its own: what a discarded one stores is never taken for the winner's.
    key = f"jobs/{work.job.tenant}/{work.job.id}/heard.{work.step.part}.{work.attempt}.npz"
    await blobs.put(key, await asyncio.to_thread(heard.packed))
    return HeardPiece(heard=key)


async def _joined(work: Work, blobs: Blobs) -> Heard:
    pieces = [await blobs.get(piece.heard) for piece in work.outputs(HeardPiece)]
    work.check()
    return await asyncio.to_thread(lambda: Heard.joined([Heard.unpacked(piece) for piece in pieces]))


async def _told_apart(work: Work, engine: Engine, prepared: Prepared, heard: Heard) -> Diarization:
    options = work.job.options
    turns = await asyncio.to_thread(
        engine.tell_apart,
        heard,
        num_speakers=options.num_speakers,
        min_speakers=options.min_speakers,
        max_speakers=options.max_speakers,
    )
    found = named(within(turns, prepared.duration))
    said = tuple(too_few(options, found))
    return Diarization(turns=found, model=engine.model, versions=engine.versions, warnings=said)


def _span(work: Work, prepared: Prepared, overlap: float) -> tuple[int, int]:
    """Return the first sample of the step's piece and the one behind its last; the last piece takes what is left."""
    part, rest = work.step.part, flow.pieces(work.job) - 1 - work.step.part
    end = flow.PIECE_SECONDS * (part + 1) + overlap if rest > 0 else prepared.duration
    return round(flow.PIECE_SECONDS * part * SAMPLE_RATE), round(end * SAMPLE_RATE)


async def read(work: Work, prepared: Prepared, blobs: Blobs, first: int, last: int) -> Samples:
    """Return samples `first` to `last` (exclusive) between -1 and 1, read bit by bit; raise ValueError if any lack."""
    samples: Samples = np.empty(last - first, dtype=np.float32)
    for start in range(first, last, PART_BYTES // pcm.SAMPLE_BYTES):
        work.check()
        end = min(start + PART_BYTES // pcm.SAMPLE_BYTES, last)
        spoken = await pcm.read(blobs, prepared.pcm, pcm.SAMPLE_BYTES * start, pcm.SAMPLE_BYTES * end)
        bit = np.frombuffer(spoken, dtype="<i2")
        if len(bit) != end - start:
            raise ValueError(f"'{prepared.pcm}' ends at sample {start + len(bit)}, but {last} are promised")
        np.divide(bit, np.float32(pcm.FULL_SCALE), out=samples[start - first : end - first])
    return samples
