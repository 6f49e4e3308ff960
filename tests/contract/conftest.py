"""What the contracts are held against: the fakes and the real things."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient

from deploy.local.parts import LocalParts
from shared.jobs.mongo import MongoStore, connect
from shared.jobs.store import JobStore
from tests.fakes.store import MemoryStore


@pytest.fixture(
    params=[
        "memory",
        pytest.param("motor", marks=pytest.mark.broker),
        pytest.param("pymongo", marks=pytest.mark.broker),
    ]
)
async def store(request: pytest.FixtureRequest, parts: LocalParts) -> AsyncIterator[JobStore]:
    """Yield each kind of store, empty."""
    if request.param == "memory":
        yield MemoryStore()
        return
    url = parts.mongo_url
    client: Any = connect(url) if request.param == "motor" else AsyncMongoClient(url, tz_aware=True)
    kept = MongoStore(client, f"contract_{uuid4().hex[:12]}")
    await kept.prepare()
    yield kept
    closed = client.close()
    if closed is not None:
        await closed
