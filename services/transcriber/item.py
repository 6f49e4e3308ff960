"""A window that waits for its text."""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic

from services.transcriber.decoder import R, Text
from services.transcriber.waiting import ChunkName


@dataclass(eq=False)
class Item(Generic[R]):
    """A window that waits, and whoever waits for its text; windows of one `kind` may share a call.

    `doubted`: its text was not believed, and it had all there is to see. `crowded`: it did not fit into memory once,
    though more had room there.
    """

    ready: R
    kind: Hashable
    text: asyncio.Future[Text]
    doubted: bool = False
    crowded: bool = False

    @classmethod
    def of(cls, ready: R) -> "Item[R]":
        """Return the window as it comes; must be called on the loop."""
        return cls(ready, ready.kind, asyncio.get_running_loop().create_future())

    @property
    def lane(self) -> int:
        """The window's lane."""
        return self.ready.window.lane

    @property
    def chunk(self) -> ChunkName:
        """The chunk it belongs to."""
        return self.ready.window.job, self.ready.window.chunk

    def unwanted(self) -> bool:
        """Whether nobody waits for the text any more, or it is not to be heard."""
        return self.text.done() or self.ready.window.stop.is_set()

    def retake(self, ready: R) -> None:
        """Wait as another kind of window: as one of which the model sees more."""
        self.ready, self.kind, self.crowded = ready, ready.kind, False

    def isolate(self) -> None:
        """Let it share no call with another window from now on."""
        self.kind = self

    def settle(self, outcome: Text | Exception) -> None:
        """Answer whoever waits for the text, if anybody still does."""
        if self.text.done():
            return
        if isinstance(outcome, Exception):
            self.text.set_exception(outcome)
        else:
            self.text.set_result(outcome)
