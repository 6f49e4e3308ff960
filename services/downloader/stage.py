"""What the downloader does: bring the recording in, decode it, find its speech, and cut it into chunks.

All of it side by side: what has come in is decoded and goes to the object store, what is decoded is heard and goes
there too. Each part reads a file that another still writes, so memory holds a few pieces of it at the most. Chunks that
are final are announced meanwhile.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.downloader import plan
from services.downloader.announcing import Announcing
from services.downloader.growing import Growing
from services.downloader.legs import Legs
from services.downloader.preparation import Preparation
from services.downloader.progress import Progress
from services.downloader.receive import Fetches, name, receive
from services.downloader.settings import DownloaderSettings
from services.downloader.spool import Spool
from shared.blobs import Blobs
from shared.mesh.work import Work
from shared.options import Source
from shared.transcript import SAMPLE_RATE, Prepared

log = logging.getLogger(__name__)

RECEIVED, DECODED, HEARD = 0.4, 0.3, 0.3
"""How much of the step it is to receive, to decode and to hear the recording."""

THREADS = 5
"""One that writes what comes in, one that decodes, one that hears, and one for each file that goes to the store."""

SILENT = "no speech was found in the recording"


async def prepare(
    work: Work, fetcher: Fetches, blobs: Blobs, unseal: Callable[[str], Source], limits: DownloaderSettings
) -> Prepared:
    """Return the recording's artefacts and its chunks; what lies in `limits.work_dir` meanwhile goes at the end.

    `unseal` opens the job's sealed source. Raises GiveUp for a recording that cannot be had, read or allowed,
    TryLater for a source that may answer later, Stopped when the step must end.
    """
    source = unseal(work.job.sealed) if work.job.sealed else work.job.options.source
    folder = f"jobs/{work.job.tenant}/{work.job.id}"
    original, pcm = f"{folder}/original", f"{folder}/pcm.{work.attempt}"
    progress = Progress(work.progress)
    receive_progress = progress.part("received", RECEIVED)
    decode_progress, hear_progress = progress.part("decoded", DECODED), progress.part("heard", HEARD)
    with Growing(limits.work_dir) as received, Growing(limits.work_dir) as decoded:
        announcing = Announcing(work, pcm, decoded, limits.chunk_seconds)
        made = Preparation(work, name(source), received, decoded, decode_progress, hear_progress, announcing)
        async with _unless_it_fails(blobs, announcing), Legs(THREADS, made.abandon) as legs:
            spool = Spool(received, legs, name(source), limits.max_bytes, work.check, receive_progress)
            legs.on_loop(receive(work, source, fetcher, blobs, spool, limits.max_download_seconds))
            legs.run(blobs.put(original, made.pieces(received, legs)))
            decoding = legs.run(legs.blocking(made.decode, limits.max_duration))
            legs.run(made.lay_down(blobs, legs))
            hearing = legs.run(legs.blocking(made.hear))
        sound = decoding.result()
        chunks = plan.chunks(hearing.result(), sound.samples, work.job.options.vad, limits.chunk_seconds)
        digests = await asyncio.to_thread(announcing.digests, chunks)
    return Prepared(
        original=original,
        pcm=pcm,
        sha256=spool.sha256,
        bytes=spool.size,
        duration=sound.samples / SAMPLE_RATE,
        chunks=chunks,
        digests=digests,
        warnings=sound.warnings if chunks else (*sound.warnings, SILENT),
    )


@asynccontextmanager
async def _unless_it_fails(blobs: Blobs, announcing: Announcing) -> AsyncIterator[None]:
    """Leave no sound behind when the step fails, unless a transcriber may have been told of it."""
    try:
        yield
    except Exception:
        if not announcing.begun:
            await _deleted(blobs, announcing.pcm)
        raise


async def _deleted(blobs: Blobs, pcm: str) -> None:
    try:
        await blobs.delete(pcm)
    except Exception:
        # How the step ended is what counts; the sound goes with the job at the latest.
        log.exception("what was stored of the sound is left behind")
