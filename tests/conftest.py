"""What all tests share: one private broker and one database for the whole run, and the cache of models."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from deploy.local.parts import LocalParts

ROOT = Path(__file__).parent.parent

# How long an example takes says how busy the machine is; and no run is to meet one that the last run did not.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session")
def cache() -> Path:
    """Return the folder where models stay from one run to the next."""
    return ROOT / ".scribe" / "cache"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def parts(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> AsyncIterator[LocalParts]:
    """Yield a running broker and database; what cannot start is an error, never a skip."""
    async with LocalParts(tmp_path_factory.mktemp("parts"), cache) as running:
        yield running
