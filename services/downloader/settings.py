"""The downloader's settings."""

from pathlib import Path

from pydantic import Field

from shared.addresses import AllowedNetworks
from shared.seal import SealKey
from shared.settings import Seconds, Settings


class DownloaderSettings(Settings):
    """What the downloader may fetch and how it cuts; times in seconds.

    A server that sends nothing for `max_idle_seconds`, redirects more than `max_redirects` times, or takes longer than
    `max_download_seconds` in all ends the download. `work_dir` needs room for a recording of `max_bytes` and 32 kB for
    each second of it, times the prefetch.
    """

    seal_key: SealKey
    step_limit: Seconds = 4 * 3_600.0
    allowed_networks: AllowedNetworks = ()
    max_bytes: int = Field(4 * 1024**3, ge=1)
    max_download_seconds: Seconds = 3_600.0
    max_idle_seconds: Seconds = 20.0
    max_redirects: int = Field(5, ge=0, le=20)
    max_duration: Seconds = 12 * 3_600.0
    chunk_seconds: float = Field(180.0, ge=30, le=1_200)
    work_dir: Path = Path("/var/lib/scribe/work")
