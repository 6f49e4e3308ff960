"""Models by name: `ModelStore` fetches what `REGISTRY` lists."""

from shared.models.registry import OFFLINE, REGISTRY, ModelSpec
from shared.models.store import FETCH_AGAIN_SECONDS, ModelStore, ModelUnavailable, NoSuchModel

__all__ = ["FETCH_AGAIN_SECONDS", "OFFLINE", "REGISTRY", "ModelSpec", "ModelStore", "ModelUnavailable", "NoSuchModel"]
