"""Windows that wait share calls of the model: batches form by a short deadline and by size, on one or more streams.

Knows no model: what decodes is given to it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from math import ceil
from typing import Generic, cast

from services.transcriber.decoder import Decoder, R, Text, too_large
from services.transcriber.doubt import Doubt
from services.transcriber.item import Item
from services.transcriber.waiting import Waiting
from shared.mesh.outcomes import Stopped
from shared.telemetry import ENGINE_WINDOWS, REDONE

log = logging.getLogger(__name__)

GATHERING_SECONDS = 0.05
"""How long an idle stream waits for a batch to fill up: claims and reads of several jobs come within that."""

MOST_WINDOWS = 128
"""Windows in a batch at the most."""


class Batcher(Generic[R]):
    """Decodes on as many `streams` at once, up to `width` whole windows in each, or more that are trimmed.

    A window whose text is in doubt waits once more: as a whole one if it was trimmed, else by itself. A batch that
    fails is done again window by window, so that one bad window fails alone. One that does not fit into memory, though
    a batch may hold more, is tried once more when another has ended; else batches hold half of what did not fit.
    `idle` is called whenever a stream has nothing to do, `narrowed` with the width that is left whenever a batch does
    not fit.
    """

    def __init__(
        self,
        decoder: Decoder[R],
        streams: int,
        width: int,
        idle: Callable[[], None] = lambda: None,
        narrowed: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.streams, self.width = streams, width
        self._decoder, self._idle, self._narrowed = decoder, idle, narrowed
        self._threads = ThreadPoolExecutor(streams, "stream")
        self._waiting = Waiting[Item[R]]()
        self._full = asyncio.Event()
        self._running = set[asyncio.Task[None]]()
        self._decoding = dict[asyncio.Future[Sequence[Text | Doubt]], int]()
        self._busy = 0
        self._per_whole = 1
        self._most = MOST_WINDOWS
        self._due = 0.0

    @property
    def batch(self) -> int:
        """How many windows a batch holds, if they are as long as those of the batch before."""
        return self._room(self._per_whole)

    @property
    def free(self) -> int:
        """How many windows could be begun at once, if they are as long as those of the batch before."""
        return self.batch * (self.streams - self._busy)

    def _room(self, per_whole: int) -> int:
        """Return how many windows a batch may hold if `per_whole` of them take no longer than a whole one."""
        return min(self.width * per_whole, self._most)

    async def decode(self, ready: R) -> Text:
        """Return the window's text; raise Stopped if `stop` is set while it waits. If the caller goes, so does it."""
        item = Item.of(ready)
        if not self._waiting:
            self._due = asyncio.get_running_loop().time() + GATHERING_SECONDS
        self._waiting.add(item)
        self._wake()
        return await item.text

    def _wake(self) -> None:
        if len(self._waiting) >= self.free:
            self._full.set()
        if len(self._running) < self.streams:
            # A stream serves all jobs: it must not log in the name of the one that woke it.
            self._running.add(asyncio.create_task(self._stream(), context=Context()))

    async def _stream(self) -> None:
        """Run batch after batch until nothing waits."""
        try:
            while batch := await self._gathered():
                self._busy += 1
                try:
                    await self._run(batch)
                finally:
                    self._busy -= 1
        finally:
            self._running.remove(cast(asyncio.Task[None], asyncio.current_task()))
            self._idle()

    async def _gathered(self) -> list[Item[R]]:
        """Return the next batch once there is a full one or its time is up; an empty one if nothing waits."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._due):
                await self._full.wait()
        self._full.clear()
        for item in self._waiting.drop(Item.unwanted):
            item.settle(Stopped(f"{item.chunk} was stopped while it waited"))
        # Streams that have nothing to do share what there is: two halves side by side are done sooner than a whole.
        share = ceil(len(self._waiting) / (self.streams - self._busy))
        if first := self._waiting.first():
            self._per_whole = first.ready.per_whole
        return self._waiting.take(min(share, self._room(self._per_whole)))

    async def _run(self, batch: list[Item[R]]) -> None:
        ENGINE_WINDOWS.observe(len(batch))
        for item in batch:
            item.ready.window.begun()
        try:
            answers = list(zip(batch, await self._decoded(batch), strict=True))
        except Exception as failure:  # noqa: BLE001 - each window's own, and whoever waits for it raises it
            await self._failed(batch, failure)
        else:
            self._answered(answers)

    async def _decoded(self, batch: list[Item[R]]) -> Sequence[Text | Doubt]:
        texts = asyncio.get_running_loop().run_in_executor(self._threads, self._texts, batch)
        self._decoding[texts] = len(batch)
        try:
            return await texts
        finally:
            del self._decoding[texts]

    def _answered(self, answers: Iterable[tuple[Item[R], Text | Doubt]]) -> None:
        for item, text in answers:
            if isinstance(text, Doubt):
                self._doubted(item, text)
            else:
                item.settle(text)

    def _texts(self, batch: list[Item[R]]) -> Sequence[Text | Doubt]:
        try:
            return self._written(batch)
        except Exception:
            raise
        except BaseException as panic:
            # One of the tokenizer's, in Rust. It would end the stream, and leave whoever waits for the windows.
            raise RuntimeError(f"the model ended in {type(panic).__name__}: {panic}") from panic

    def _written(self, batch: list[Item[R]]) -> Sequence[Text | Doubt]:
        if batch[0].doubted:
            return [self._decoder.alone(item.ready) for item in batch]
        return self._decoder.together([item.ready for item in batch])

    def _doubted(self, item: Item[R], why: Doubt) -> None:
        REDONE.labels(why.reason).inc()
        item.ready.window.redone(why.reason)
        log.info("a window is decoded again: %s", why.reason, extra={"job": item.chunk[0], "part": item.chunk[1]})
        if whole := item.ready.whole():
            item.retake(whole)
            self._put_back([item])
        else:
            item.doubted = True
            self._again([item])

    async def _failed(self, batch: list[Item[R]], failure: Exception) -> None:
        if too_large(failure) and self._should_fit(batch):
            log.warning("%d windows do not fit into memory now and are tried once more: %s", len(batch), failure)
            for item in batch:
                item.crowded = True
            await self._less_crowded(batch)
        elif len(batch) == 1:
            batch[0].settle(failure)
        elif too_large(failure):
            self._narrow(batch, failure)
            await self._less_crowded(batch)
        else:
            log.warning("%d windows failed together and are done one by one: %r", len(batch), failure)
            self._again(batch)

    def _should_fit(self, batch: list[Item[R]]) -> bool:
        """Whether something else may have had the memory: a batch may hold more, and this one failed only once."""
        return len(batch) < self._room(batch[0].ready.per_whole) and not any(item.crowded for item in batch)

    def _narrow(self, batch: list[Item[R]], failure: Exception) -> None:
        """Let no batch hold more than half of this one, or of the largest that has the memory with it."""
        self._most = min(self._most, max([len(batch), *self._decoding.values()]) // 2)
        self.width = max(min(self.width, self._most // batch[0].ready.per_whole), 1)
        log.warning("%d windows do not fit into memory, from now on %d: %s", len(batch), self._most, failure)
        self._narrowed(self.width)

    async def _less_crowded(self, batch: list[Item[R]]) -> None:
        """Put the batch back once a batch of another stream has made room, if one runs."""
        if self._decoding:
            await asyncio.wait(self._decoding, return_when=asyncio.FIRST_COMPLETED)
        self._put_back(batch)

    def _again(self, batch: list[Item[R]]) -> None:
        for item in batch:
            item.isolate()
        self._put_back(batch)

    def _put_back(self, batch: list[Item[R]]) -> None:
        self._waiting.put_back(batch)
        for _ in batch:
            self._wake()
