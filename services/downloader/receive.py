"""Receiving: the source's bytes come from its address, or from what the tenant has uploaded."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from services.downloader.fetch import Sink
from services.downloader.spool import Spool
from shared.blobs import Blobs, NoSuchObject
from shared.mesh.outcomes import GiveUp
from shared.mesh.work import Work
from shared.options import Source
from shared.seal import shown_url


class Fetches(Protocol):
    """What can fetch a recording from an address."""

    async def fetch(self, address: str, headers: Mapping[str, str], sink: Sink) -> None:
        """Write the body found at `address` to `sink`; raise GiveUp or TryLater."""


async def receive(work: Work, source: Source, fetcher: Fetches, blobs: Blobs, spool: Spool, seconds: float) -> None:
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
            f"{name(source)} took longer than {seconds:g} s to fetch; raise SCRIBE_MAX_DOWNLOAD_SECONDS to allow it"
        ) from None
    spool.end()


def name(source: Source) -> str:
    """Return what the recording is called in messages."""
    return shown_url(source.url) if source.url is not None else source.object or ""


async def _copy(work: Work, key: str, blobs: Blobs, spool: Spool) -> None:
    if not key.startswith(f"uploads/{work.job.tenant}/"):
        raise GiveUp(f"'{key}' is no upload of tenant '{work.job.tenant}'")
    try:
        spool.expect(await blobs.size(key))
        async for piece in blobs.stream(key):
            await spool.write(piece)
    except NoSuchObject as missing:
        raise GiveUp(f"{missing}; upload the recording and submit it again") from missing
