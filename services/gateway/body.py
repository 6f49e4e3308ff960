"""The body of a request as it comes, and what can be wrong with it."""

import asyncio
from collections.abc import AsyncIterator

IDLE_SECONDS = 60.0
"""The silence after which a body is given up: its client may be gone without the connection having ended."""


class BadUpload(Exception):
    """The body is not the form it should be; `field` is the part that is wrong."""

    def __init__(self, field: str, error: str) -> None:
        super().__init__(f"{field} {error}")
        self.field, self.error = field, error


class TooLarge(BadUpload):
    """A part has more bytes than this gateway takes."""

    def __init__(self, field: str, most: int, how: str = "") -> None:
        super().__init__(field, f"is larger than {most} bytes{how}")


class Silent(BadUpload):
    """Nothing more of the body comes."""

    def __init__(self) -> None:
        super().__init__("body", f"has stopped: nothing came for {IDLE_SECONDS:.0f} seconds; send it again")


async def until_silent(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces of the body as they come; raise Silent if none comes for IDLE_SECONDS before its end."""
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                piece = await anext(body, None)
        except TimeoutError:
            raise Silent from None
        if piece is None:
            return
        yield piece
