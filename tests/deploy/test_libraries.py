"""Libraries: each that is imported is pinned, and each that is pinned has its reason."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = {"shared", "services", "deploy", "tests"}
DECISION = ROOT / "deploy" / "decisions" / "0009-libraries.md"


def plain(name: str) -> str:
    """Return a distribution's name as all its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> set[str]:
    """Return the distributions that the project pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    return {plain(re.split(r"\[|==", each)[0]) for each in listed}


def imported() -> Iterator[str]:
    """Yield the packages that the project's modules import, at their top or later."""
    for module in (path for own in OWN for path in (ROOT / own).rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                yield from (name.name.partition(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def test_what_is_imported_is_pinned() -> None:
    """By the project, or, as pydantic does with its core, to one version by what the project pins."""
    exact = re.compile(r"([\w.-]+)==")
    brought = {plain(found[1]) for found in map(exact.match, requires("pydantic") or ()) if found}
    brings = packages_distributions()
    others = set(imported()) - OWN - sys.stdlib_module_names
    known = pinned() | brought
    assert {each for each in others if not {plain(its) for its in brings.get(each, [each])} & known} == set()


def test_what_is_pinned_has_its_reason() -> None:
    """Where the libraries were decided on."""
    told = {plain(word) for word in re.findall(r"[\w.-]*\w", DECISION.read_text())}
    assert pinned() - told == set()
