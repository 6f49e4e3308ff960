"""Announcing: chunks that nothing can change any more go on before the recording is wholly prepared."""

import hashlib
import time
from collections.abc import Sequence

from services.downloader import plan
from services.downloader.growing import Growing
from services.downloader.voice import Heard
from shared.mesh.work import Work
from shared.pcm import SAMPLE_BYTES
from shared.transcript import SAMPLE_RATE, Chunk, Cut

AGAIN_SECONDS = 5.0
"""How long final chunks wait at the most for more to be announced with them."""

DIGEST_DIGITS = 32


class Announcing:
    """Announces final chunks, whose sound lies under the prefix `pcm`: the first at once, more in growing groups.

    More are announced when twice as much has been heard as is announced, or after AGAIN_SECONDS. Nothing is announced
    when less than `target` seconds are left to hear: the commit is about to say it all.
    """

    def __init__(self, work: Work, pcm: str, decoded: Growing, target: float) -> None:
        self.pcm, self.stored = pcm, 0
        self._work, self._decoded, self._target = work, decoded, target
        self._digests: list[str] = []
        self._chunks: tuple[Chunk, ...] = ()
        self._due = 0.0

    @property
    def begun(self) -> bool:
        """Whether somebody may be reading what is stored."""
        return bool(self._digests)

    def hear(self, heard: Heard) -> None:
        """Take what is heard so far; from one thread."""
        if self._waits(heard.samples):
            return
        found = plan.final(heard.runs, heard.point, self._work.job.options.vad, self._target)
        chunks = tuple(chunk for chunk in found if _place(chunk.end) <= self.stored)
        if len(chunks) > len(self._digests):
            self._digests += map(self._digest, chunks[len(self._digests) :])
            self._chunks, self._due = chunks, time.monotonic() + AGAIN_SECONDS
            self._work.announce(Cut(pcm=self.pcm, chunks=chunks, digests=tuple(self._digests)))

    def digests(self, chunks: Sequence[Chunk]) -> tuple[str, ...]:
        """Return the digests of as many of all chunks as this or an earlier attempt has announced. Blocks."""
        before = self._work.job.announced
        count = max(len(self._digests), len(before.digests) if before else 0)
        # Nothing final should have changed; if anything has, the digests must not say that it is the same plan.
        known = self._digests if chunks[: len(self._chunks)] == self._chunks else []
        return (*known, *map(self._digest, chunks[len(known) : count]))

    def _waits(self, samples: int) -> bool:
        heard, target = samples * SAMPLE_BYTES, _place(self._target)
        if self.begun and heard < 2 * _place(self._chunks[-1].end) and time.monotonic() < self._due:
            return True
        return self._decoded.share(heard) > 0 and self._decoded.size - heard < target

    def _digest(self, chunk: Chunk) -> str:
        sound = self._decoded.read(_place(chunk.start), _place(chunk.end))
        digest = hashlib.sha256(chunk.model_dump_json().encode())
        digest.update(sound)
        return digest.hexdigest()[:DIGEST_DIGITS]


def _place(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE) * SAMPLE_BYTES
