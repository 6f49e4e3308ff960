"""Models by name: `ModelStore` fetches what `REGISTRY` lists."""

from shared.models.registry import REGISTRY, ModelSpec
from shared.models.store import ModelStore, ModelUnavailable, NoSuchModel

__all__ = ["REGISTRY", "ModelSpec", "ModelStore", "ModelUnavailable", "NoSuchModel"]
