"""From the bytes of a recording to its speech: what is decoded of it is heard while more comes in."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from services.downloader.announcing import Announcing
from services.downloader.decode import decode
from services.downloader.growing import Growing, Reader
from services.downloader.legs import Legs
from services.downloader.plan import Run
from services.downloader.track import Sound
from services.downloader.voice import speech
from shared.blobs import PART_BYTES, Blobs
from shared.mesh.outcomes import GiveUp
from shared.mesh.work import Work
from shared.pcm import SAMPLE_BYTES, SLICE_BYTES, slice_key


@dataclass(frozen=True)
class Preparation:
    """Decodes `received`, which somebody else fills with the recording called `name`, into `decoded`, and finds speech.

    `decode_progress` and `hear_progress` take the fractions that are decoded and searched for speech; `announcing`
    takes the speech that is found.
    """

    work: Work
    name: str
    received: Growing
    decoded: Growing
    decode_progress: Callable[[float], None]
    hear_progress: Callable[[float], None]
    announcing: Announcing

    def decode(self, longest: float) -> Sound:
        """Write the sound of what is received to `decoded`; blocks. Raises GiveUp, Stopped and Abandoned."""
        try:
            sound = decode(Reader(self.received), self.decoded, longest, self.work.check, self._tell_decoded)
        except GiveUp as unusable:
            raise GiveUp(f"{self.name}: {unusable.reason}") from unusable
        self.decoded.end()
        return sound

    def hear(self) -> list[Run]:
        """Return the runs of speech in what is decoded; blocks. Raises Stopped and Abandoned."""
        runs: list[Run] = []
        for found in speech(Reader(self.decoded), self.work.job.options.vad.threshold):
            self.work.check()
            self._tell_heard(found.samples)
            self.announcing.hear(found)
            runs = found.runs
        return runs

    async def pieces(self, file: Growing, legs: Legs, size: int = PART_BYTES) -> AsyncIterator[bytes]:
        """Yield one of the files in pieces of so many bytes as it grows; raise Stopped and Abandoned."""
        reader = Reader(file)
        while piece := await legs.blocking(reader.read, size):
            self.work.check()
            yield piece

    async def lay_down(self, blobs: Blobs, legs: Legs) -> None:
        """Store what is decoded in slices, each as soon as it is whole; raise Stopped and Abandoned."""
        number = 0
        async for piece in self.pieces(self.decoded, legs, SLICE_BYTES):
            await blobs.put(slice_key(self.announcing.pcm, number), piece)
            self.announcing.stored += len(piece)
            number += 1

    def abandon(self) -> None:
        """Make everything that reads or writes the files raise Abandoned."""
        self.received.abandon()
        self.decoded.abandon()

    def _tell_decoded(self, place: int) -> None:
        self.decode_progress(self.received.share(place))

    def _tell_heard(self, samples: int) -> None:
        # Before the last sample is decoded, nobody knows what part of the whole this is, and the share is none.
        self.hear_progress(self.decoded.share(samples * SAMPLE_BYTES))
