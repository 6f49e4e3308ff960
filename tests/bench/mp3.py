"""Recordings as people send them: mp3 at 44.1 kHz in stereo."""

from fractions import Fraction
from pathlib import Path

import av

from tests.recordings import RATE, samples

MP3_RATE = 44_100


def mp3(wav: Path) -> Path:
    """Write a 16 kHz mono WAV file as mp3 beside it and return its path."""
    path, sound = wav.with_suffix(".mp3"), samples(wav)
    with av.open(str(path), "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=MP3_RATE, layout="stereo")
        resampler = av.AudioResampler(format=stream.format.name, layout="stereo", rate=MP3_RATE)
        for at in range(0, len(sound), RATE):
            frame = av.AudioFrame.from_ndarray(sound[None, at : at + RATE], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return path
