"""Wires the downloader: what fetches, what may be fetched, and the key that opens sources."""

from functools import partial

from faststream import FastStream

from services.downloader.fetch import Fetcher
from services.downloader.settings import DownloaderSettings
from services.downloader.stage import prepare
from shared.addresses import AddressGuard
from shared.blobs import ObjectStore
from shared.mesh.stage import stage_service
from shared.seal import Seal
from shared.telemetry import begin
from shared.topology import Stage


def build() -> FastStream:
    """Return the downloader; opens nothing yet."""
    settings = begin(Stage.DOWNLOADER, DownloaderSettings)
    blobs = ObjectStore(settings.blobs_url)
    guard = AddressGuard(settings.allowed_networks)
    fetcher = Fetcher(guard, settings.max_redirects, settings.max_idle_seconds)
    unseal = Seal(settings.seal_key).open
    do = partial(prepare, fetcher=fetcher, blobs=blobs, unseal=unseal, limits=settings)
    return stage_service(Stage.DOWNLOADER, settings, blobs, do)
