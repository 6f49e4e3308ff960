"""The diarizer's stage: from the prepared recording to who speaks when."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from shared.blobs import PART_BYTES, Blobs
from shared.mesh.outcomes import GiveUp, TryLater
from shared.mesh.work import Work
from shared.models import ModelUnavailable, NoSuchModel
from shared.transcript import SAMPLE_RATE, Diarization, Prepared, Turn

FETCH_AGAIN_SECONDS = 60.0

Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


class Engine(Protocol):
    """What the stage needs of a pipeline that finds speakers; its labels may be anything."""

    @property
    def model(self) -> str:
        """The name of the pipeline."""

    @property
    def versions(self) -> dict[str, str]:
        """The versions of what decides the result."""

    def diarize(
        self,
        samples: Samples,
        *,
        num_speakers: int | None,
        min_speakers: int | None,
        max_speakers: int | None,
        on_progress: Callable[[float], None],
    ) -> list[Turn]:
        """Return the turns; call `on_progress` between units of work and let what it raises end the run."""


async def diarize(work: Work, engine: Engine, blobs: Blobs) -> Diarization:
    """Return who speaks when, speakers named in the order in which they are first heard.

    Raises GiveUp if there is no such model, TryLater if it cannot be fetched now, Stopped once `work.stop` is set.
    """
    prepared, options = work.outputs(Prepared)[0], work.job.options
    if not prepared.chunks:  # nothing was said
        return Diarization(model=engine.model, versions=engine.versions)
    samples = await read(work, prepared, blobs)

    def on_progress(fraction: float) -> None:
        work.check()
        work.progress(fraction)

    try:
        turns = await asyncio.to_thread(
            engine.diarize,
            samples,
            num_speakers=options.num_speakers,
            min_speakers=options.min_speakers,
            max_speakers=options.max_speakers,
            on_progress=on_progress,
        )
    except NoSuchModel as error:
        raise GiveUp(str(error)) from error
    except ModelUnavailable as error:
        raise TryLater(str(error), FETCH_AGAIN_SECONDS) from error
    return Diarization(turns=named(turns), model=engine.model, versions=engine.versions)


async def read(work: Work, prepared: Prepared, blobs: Blobs) -> Samples:
    """Return the recording's samples between -1 and 1, read in pieces; raise ValueError if there are too few."""
    samples: Samples = np.empty(round(prepared.duration * SAMPLE_RATE), dtype=np.float32)
    for start in range(0, len(samples), PART_BYTES // 2):
        work.check()
        end = min(start + PART_BYTES // 2, len(samples))
        piece = np.frombuffer(await blobs.read(prepared.pcm, 2 * start, 2 * end), dtype="<i2")
        if len(piece) != end - start:
            raise ValueError(f"'{prepared.pcm}' ends at sample {start + len(piece)}, but {len(samples)} are promised")
        np.divide(piece, np.float32(32768), out=samples[start:end])
    return samples


def named(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return the turns in order of start, their speakers called SPEAKER_00 and so on as they are first heard."""
    ordered = sorted(turns, key=lambda turn: (turn.start, turn.end))
    heard = dict.fromkeys(turn.speaker for turn in ordered)
    names = {speaker: f"SPEAKER_{number:02d}" for number, speaker in enumerate(heard)}
    return tuple(turn.model_copy(update={"speaker": names[turn.speaker]}) for turn in ordered)
