"""Server-sent events: lines in, one JSON object per event out (https://html.spec.whatwg.org, 9.2.6)."""

import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

EventData = dict[str, Any]


async def events(lines: AsyncIterable[bytes]) -> AsyncIterator[EventData]:
    """Yield each event's data; comments and other fields are passed over, an event that was cut off is dropped."""
    data = ""
    async for raw in lines:
        field, _, value = raw.decode().rstrip("\r\n").partition(":")
        if field == "data":
            data += value.removeprefix(" ")
        elif not field and not value and data:
            yield json.loads(data)
            data = ""
