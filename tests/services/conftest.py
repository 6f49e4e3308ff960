"""What the services' tests share: models, kept between runs."""

from pathlib import Path

import pytest

from shared.models import ModelStore


@pytest.fixture(scope="session")
def model_store() -> ModelStore:
    """A store whose cache outlives the run, so that only the first run fetches."""
    return ModelStore(Path(__file__).parents[2] / ".scribe/cache/models")
