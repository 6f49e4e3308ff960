"""The front end without a mesh: the downloader's own step, for uploads of a store, as often as it is asked for.

`python -m tests.bench.front_desk BLOBS_URL FOLDER` says `{"ready": true}`. A line in is a JSON list of keys of uploads:
all of them are prepared, as many at once as the downloader holds. The line out is `{"core_seconds": …}`.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faster_whisper.vad import get_vad_model

from services.downloader.fetch import Fetcher
from services.downloader.settings import DownloaderSettings
from services.downloader.stage import prepare
from shared.addresses import AddressGuard
from shared.blobs import ObjectStore
from shared.mesh.work import Work
from shared.options import Source
from shared.topology import PREFETCH, Stage
from shared.transcript import Prepared
from tests.bench.client import TENANT
from tests.fakes.downloader import KEY
from tests.fakes.jobs import new_job


class FrontDesk:
    """A downloader on a store, with a folder to work in."""

    def __init__(self, blobs_url: str, folder: Path) -> None:
        self.blobs = ObjectStore(blobs_url)
        self._settings = DownloaderSettings(seal_key=KEY, work_dir=folder)
        self._fetcher = Fetcher(AddressGuard(()), 0, 1.0)

    def work(self, key: str) -> Work:
        """Return the downloader's step of a new job for an upload."""
        moved = new_job(source={"object": key})
        return Work(moved.job.model_copy(update={"tenant": TENANT}), moved.steps[0])

    async def prepare(self, work: Work) -> Prepared:
        """Do the downloader's step."""
        return await prepare(work, self._fetcher, self.blobs, _unsealed, self._settings)

    async def prepare_all(self, keys: list[str]) -> float:
        """Prepare the uploads and return the core-seconds that this took."""
        began, left = time.process_time(), iter(keys)
        await asyncio.gather(*(self._hand(left) for _ in range(PREFETCH[Stage.DOWNLOADER])))
        return time.process_time() - began

    async def _hand(self, left: Iterator[str]) -> None:
        for key in left:
            await self.prepare(self.work(key))


def _unsealed(token: str) -> Source:
    raise ValueError(f"the source of an upload is not sealed: {token}")


def main(blobs_url: str, folder: str) -> None:
    """Load Silero, then answer each line."""
    desk = FrontDesk(blobs_url, Path(folder))
    get_vad_model()
    _say({"ready": True})
    for line in sys.stdin:
        _say({"core_seconds": asyncio.run(desk.prepare_all(json.loads(line)))})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
