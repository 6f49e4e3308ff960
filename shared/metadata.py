"""A publisher's own metadata: any JSON that the job document can hold and an event can carry."""

from collections.abc import Iterator
from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError, to_json

METADATA_BYTES = 2 * 1024

METADATA_LEVELS = 50
"""Of objects and lists inside each other: MongoDB takes 100, those of the document around them included."""

LEAST, MOST = -(2**63), 2**63 - 1
"""The whole numbers that BSON knows. Those that it gives back are no plain ints, which a range would count up to."""


def _checked(metadata: dict[str, Any]) -> dict[str, Any]:
    if wrong := next(_wrong(metadata, METADATA_LEVELS), None):
        raise PydanticCustomError("metadata", "{wrong}", {"wrong": wrong})
    if len(to_json(metadata)) > METADATA_BYTES:
        raise PydanticCustomError("metadata", "is larger than {limit} bytes as JSON", {"limit": METADATA_BYTES})
    return metadata


Metadata = Annotated[dict[str, Any], AfterValidator(_checked)]


def _wrong(value: Any, levels: int) -> Iterator[str]:
    """Yield what no document can hold. A name such as `$ref` would be read back as something else than was stored."""
    match value:
        case dict() | list() if not levels:
            yield f"is nested deeper than {METADATA_LEVELS} levels"
        case dict():
            yield from ("has a name that begins with '$'" for name in value if name.startswith("$"))
            yield from ("has a name with a zero byte in it" for name in value if "\0" in name)
            yield from (wrong for each in value.values() for wrong in _wrong(each, levels - 1))
        case list():
            yield from (wrong for each in value for wrong in _wrong(each, levels - 1))
        case int() if not LEAST <= value <= MOST:
            yield "has a whole number of more than 64 bits; send it as text"
        case float() if not isfinite(value):
            yield "has a number that JSON does not know"
