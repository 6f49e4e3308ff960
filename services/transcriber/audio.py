"""Sound out of the prepared recording."""

import numpy as np

from services.transcriber.speech import Samples
from shared import pcm
from shared.blobs import Blobs, NoSuchObject
from shared.mesh.outcomes import GiveUp
from shared.transcript import SAMPLE_RATE, Span


async def read(blobs: Blobs, prefix: str, span: Span) -> Samples:
    """Return the samples of a span of the sound under the prefix, fewer at its end.

    Raises GiveUp if the sound is gone: nothing brings it back but the recording itself.
    """
    start, end = (pcm.SAMPLE_BYTES * round(at * SAMPLE_RATE) for at in (span.start, span.end))
    try:
        parts = await pcm.parts(blobs, prefix, start, end)
    except NoSuchObject as gone:
        raise GiveUp(f"the prepared audio is gone ({gone}); submit the recording as a new job") from gone
    samples = np.concatenate([np.empty(0, "<i2"), *(np.frombuffer(part, "<i2") for part in parts)], dtype=np.float32)
    samples /= pcm.FULL_SCALE
    return samples
