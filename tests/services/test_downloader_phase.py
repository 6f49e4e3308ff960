"""Two channels that cancel each other out, in the shapes that decoders give them, and those that do not."""

import io

import av
import numpy as np
import pytest

from tests.recordings import RATE, samples
from tests.sounds import SPOKEN, Samples, decoded

SAID = samples()[SPOKEN]
NOTHING = np.zeros_like(SAID)
OTHER = samples()[20 * RATE : 30 * RATE]


def stereo(codec: str, left: np.ndarray, right: np.ndarray, form: str = "s16") -> bytes:
    """Return a recording of two channels, whose samples are of that form."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=RATE, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format=stream.format.name, layout="stereo", rate=RATE)
        both = np.stack([left, right], axis=1)
        for at in range(0, len(both), RATE // 10):
            frame = av.AudioFrame.from_ndarray(both[at : at + RATE // 10].reshape(1, -1), form, "stereo")
            frame.sample_rate, frame.pts = RATE, at
            for each in resampler.resample(frame):
                container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    return file.getvalue()


def level(sound: Samples) -> float:
    """Return the sound's root mean square."""
    return float(np.sqrt(np.mean(np.square(sound.astype(float)))))


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_s32le", "pcm_f32le", "pcm_u8", "flac", "aac", "libmp3lame"])
def test_a_channel_that_is_the_opposite_of_the_other_does_not_silence_it(codec: str) -> None:
    """However its samples are written: what is said is heard as loud as on one of the two."""
    _, heard = decoded(stereo(codec, SAID, -SAID))
    assert level(heard) == pytest.approx(level(SAID), rel=0.1)


@pytest.mark.parametrize(
    ("left", "right"),
    [(SAID, SAID), (SAID, NOTHING), (SAID, OTHER), (SAID, -(SAID // 4)), (NOTHING, NOTHING)],
    ids=["the same", "one silent", "two voices", "a little opposed", "both silent"],
)
def test_channels_that_do_not_cancel_each_other_are_mixed_as_they_are(left: Samples, right: Samples) -> None:
    """The middle of the two, to the step that rounding takes."""
    _, heard = decoded(stereo("pcm_s16le", left, right))
    assert np.abs(heard - (left.astype(int) + right) / 2).max() <= 1


def test_samples_that_are_no_numbers_turn_nothing_over() -> None:
    """A damaged packet of floats may hold them; the seconds beside them are judged by themselves."""
    spoken = (SAID / 32_768).astype(np.float32)
    broken = np.where(np.arange(len(spoken)) == RATE * 3 // 2, np.nan, spoken).astype(np.float32)
    _, heard = decoded(stereo("pcm_f32le", broken, spoken, "flt"))
    assert np.abs(heard - SAID.astype(int))[2 * RATE :].max() <= 1
