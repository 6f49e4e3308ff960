"""What the services' tests share: models, kept between runs."""

import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.transcriber.engine import WhisperEngine
from shared.blobs import ObjectStore
from shared.models import ModelStore
from tests.fakes.downloader import Answer, Serve
from tests.fakes.transcriber import BASE
from tests.recordings import SAMPLE, lay_down


@pytest.fixture(scope="session")
def model_store() -> ModelStore:
    """A store whose cache outlives the run, so that only the first run fetches."""
    return ModelStore(Path(__file__).parents[2] / ".scribe/cache/models")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(model_store: ModelStore) -> WhisperEngine:
    """Return an engine that serves base, multilingual, and tiny.en."""
    engine = WhisperEngine(BASE, model_store)
    await engine.open()
    return engine


@pytest.fixture(scope="module")
def pcm() -> bytes:
    """Return the sample's 30 s of two people on the telephone, as the downloader would store them."""
    with wave.open(str(SAMPLE), "rb") as sound:
        return sound.readframes(sound.getnframes())


@pytest.fixture
async def blobs(pcm: bytes) -> ObjectStore:
    """Return an object store with the sample's PCM in it."""
    store = ObjectStore("memory://")
    await lay_down(store, "pcm", pcm)
    return store


@pytest_asyncio.fixture(loop_scope="session")
async def serve() -> AsyncIterator[Serve]:
    """Yield what starts a server on loopback with one answer to everything, and returns its address."""
    servers: list[TestServer] = []

    async def start(answer: Answer) -> str:
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        return str(servers[-1].make_url(""))

    yield start
    for server in servers:
        await server.close()
