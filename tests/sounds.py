"""Recordings as they come, in many containers, and what decoding makes of them."""

import io
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from services.downloader.decode import decode
from services.downloader.track import Sound
from tests.recordings import RATE, samples

Samples = npt.NDArray[np.int16]

SPOKEN = slice(10 * RATE, 20 * RATE)
"""Ten seconds of the sample with hardly a pause."""


def quiet(*_: object) -> None:
    """Neither stop nor listen."""


def decoded(recording: bytes, longest: float = 60) -> tuple[Sound, Samples]:
    """Return what decoding said and what it wrote."""
    pcm = io.BytesIO()
    sound = decode(io.BytesIO(recording), pcm, longest, quiet, quiet)
    return sound, np.frombuffer(pcm.getvalue(), np.int16)


def recorded(kind: str, codec: str, *, late: float = 0.0, picture: bool = False, gap: float = 0.0) -> bytes:
    """Return ten seconds of the sample in a container; sound sets in `late`, and halfway `gap` seconds are missing."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        rate = 48_000 if codec == "libopus" else RATE
        film = container.add_stream("mpeg4", rate=10) if picture else None
        stream = container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        if film is not None:
            film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
            for number in range(100):
                image = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
                image.pts, image.time_base = number, Fraction(1, 10)
                container.mux(film.encode(image))
            container.mux(film.encode(None))
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
        spoken = samples()[SPOKEN]
        for at in range(0, len(spoken), RATE // 10):
            frame = av.AudioFrame.from_ndarray(spoken[None, at : at + RATE // 10], "s16", "mono")
            frame.sample_rate = RATE
            if 5 * RATE <= at < (5 + gap) * RATE:
                continue
            frame.pts, frame.time_base = at + round(late * RATE), Fraction(1, RATE)
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return file.getvalue()
