"""What the downloader does: bring the recording in, decode it, find its speech, and cut it into chunks."""

import asyncio
from collections.abc import Callable, Mapping
from typing import IO, Protocol

from services.downloader import plan
from services.downloader.decode import decode
from services.downloader.fetch import Sink
from services.downloader.settings import DownloaderSettings
from services.downloader.spool import Spool, pieces, unnamed
from services.downloader.track import Sound
from services.downloader.voice import speech
from shared.blobs import Blobs, NoSuchObject
from shared.mesh.outcomes import GiveUp
from shared.mesh.work import Work
from shared.options import Source
from shared.seal import shown_url
from shared.transcript import SAMPLE_RATE, Prepared

RECEIVED, DECODED = 0.4, 0.7
"""How much of the step is done when the recording is in, and when it is decoded."""

SILENT = "no speech was found in the recording"


class Fetches(Protocol):
    """What can fetch a recording from an address."""

    async def fetch(self, address: str, headers: Mapping[str, str], sink: Sink) -> None:
        """Write the body found at `address` to `sink`; raise GiveUp or TryLater."""


async def prepare(
    work: Work, fetcher: Fetches, blobs: Blobs, unseal: Callable[[str], Source], limits: DownloaderSettings
) -> Prepared:
    """Return the recording's artefacts and its chunks; what lies in `limits.work_dir` meanwhile goes at the end.

    `unseal` opens the job's sealed source. Raises GiveUp for a recording that cannot be had, read or allowed,
    TryLater for a source that may answer later, Stopped when the step must end.
    """
    source = unseal(work.job.sealed) if work.job.sealed else work.job.options.source
    folder = f"jobs/{work.job.tenant}/{work.job.id}"
    original, pcm = f"{folder}/original", f"{folder}/pcm.{work.attempt}.s16"
    with unnamed(limits.work_dir) as received, unnamed(limits.work_dir) as decoded:
        spool = Spool(received, _name(source), limits.max_bytes, work.check, _within(work, 0.0, RECEIVED))
        await _receive(work, source, fetcher, blobs, spool, limits.max_download_seconds)
        await blobs.put(original, pieces(received, work.check))
        sound = await _decode(work, _name(source), received, spool.size, decoded, limits.max_duration)
        await blobs.put(pcm, pieces(decoded, work.check))
        asked = work.job.options.vad
        told = _within(work, DECODED, 1.0)
        runs = await asyncio.to_thread(speech, decoded, sound.samples, asked.threshold, work.check, told)
    chunks = plan.chunks(runs, sound.samples, asked, limits.chunk_seconds)
    return Prepared(
        original=original,
        pcm=pcm,
        sha256=spool.sha256,
        bytes=spool.size,
        duration=sound.samples / SAMPLE_RATE,
        chunks=chunks,
        warnings=sound.warnings if chunks else (*sound.warnings, SILENT),
    )


async def _receive(work: Work, source: Source, fetcher: Fetches, blobs: Blobs, spool: Spool, seconds: float) -> None:
    """Bring the source into the spool within `seconds`; raise GiveUp if it takes longer or is empty."""
    try:
        async with asyncio.timeout(seconds) as patience:
            if source.url is not None:
                await fetcher.fetch(source.url, source.headers, spool)
            else:
                await _copy(work, source.object or "", blobs, spool)
    except TimeoutError:
        if not patience.expired():
            raise
        raise GiveUp(
            f"{_name(source)} took longer than {seconds:g} s to fetch; raise SCRIBE_MAX_DOWNLOAD_SECONDS to allow it"
        ) from None
    if not spool.size:
        raise GiveUp(f"{_name(source)} is empty")


async def _copy(work: Work, key: str, blobs: Blobs, spool: Spool) -> None:
    if not key.startswith(f"uploads/{work.job.tenant}/"):
        raise GiveUp(f"'{key}' is no upload of tenant '{work.job.tenant}'")
    try:
        async for piece in blobs.stream(key):
            await spool.write(piece)
    except NoSuchObject as missing:
        raise GiveUp(f"{missing}; upload the recording and submit it again") from missing


async def _decode(work: Work, name: str, received: IO[bytes], size: int, decoded: IO[bytes], longest: float) -> Sound:
    told = _within(work, RECEIVED, DECODED)
    try:
        return await asyncio.to_thread(decode, received, size, decoded, longest, work.check, told)
    except GiveUp as unusable:
        raise GiveUp(f"{name}: {unusable.reason}") from unusable


def _name(source: Source) -> str:
    """Return what the recording is called in messages."""
    return shown_url(source.url) if source.url is not None else source.object or ""


def _within(work: Work, start: float, end: float) -> Callable[[float], None]:
    """Return how a part of the step, from `start` to `end` of the whole, reports its own fraction."""
    return lambda fraction: work.progress(start + (end - start) * fraction)
