"""Server-sent events: lines in, one named JSON object per event out (https://html.spec.whatwg.org, 9.2.6)."""

import json
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any

Said = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """One event: its name and its data."""

    name: str
    data: Said


async def events(lines: AsyncIterable[bytes]) -> AsyncIterator[Told]:
    """Yield each event; comments and other fields are passed over, an event that was cut off is dropped."""
    name, data = "message", ""
    async for raw in lines:
        field, _, value = raw.decode().rstrip("\r\n").partition(":")
        if field == "event":
            name = value.removeprefix(" ")
        elif field == "data":
            data += value.removeprefix(" ")
        elif not field and not value and data:
            yield Told(name, json.loads(data))
            name, data = "message", ""
