"""Server-sent events: a stream of lines in, one JSON object per event out (https://html.spec.whatwg.org, 9.2.6)."""

import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

Said = dict[str, Any]


async def events(lines: AsyncIterable[bytes]) -> AsyncIterator[Said]:
    """Yield each event's data; comments and fields other than `data` are passed over, a cut-off event is dropped."""
    data: list[str] = []
    async for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            yield json.loads("\n".join(data))
            data = []
