"""Decoding and hearing: real speech in real containers, whole, damaged and in disguise."""

import io
import re
import struct
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from services.downloader.decode import decode
from services.downloader.track import Sound
from shared.mesh.outcomes import GiveUp
from tests.recordings import RATE, SAMPLE, samples
from tests.sounds import SPOKEN, Samples, decoded, recorded

CONTAINERS = [("mp3", "libmp3lame"), ("mp4", "aac"), ("ogg", "libopus"), ("webm", "libopus"), ("flac", "flac")]


@pytest.mark.parametrize(("kind", "codec"), CONTAINERS)
def test_any_container_becomes_sixteen_kilohertz(kind: str, codec: str) -> None:
    """The samples are those of the recording: as many, and in the same place."""
    sound, heard = decoded(recorded(kind, codec))
    assert (sound.samples, sound.warnings) == (len(heard), ())
    assert sound.samples == pytest.approx(10 * RATE, abs=0.1 * RATE)
    assert abs(offset(heard)) < 0.08


def offset(heard: Samples) -> float:
    """Return by how many seconds what was heard, ten seconds or less, lags behind the sample."""
    heard = heard[: 10 * RATE]
    envelopes = [
        np.abs(each[: len(heard) // 160 * 160].astype(float)).reshape(-1, 160).sum(axis=1)
        for each in (heard, samples()[SPOKEN])
    ]
    ours, theirs = (each - each.mean() for each in envelopes)
    return float(np.argmax(np.correlate(ours, theirs, "full")) - (len(theirs) - 1)) / 100


def test_a_wav_file_comes_through_unchanged() -> None:
    """Sound that is already as it must be is not touched."""
    sound, heard = decoded(SAMPLE.read_bytes())
    assert sound == Sound(30 * RATE, ())
    assert np.array_equal(heard, samples())


def test_the_sound_of_a_video_keeps_its_place() -> None:
    """The first audio stream is taken, and when it sets in after the picture, silence fills the time before."""
    sound, heard = decoded(recorded("matroska", "pcm_s16le", late=2, picture=True))
    assert sound.warnings == ()
    assert not heard[: 2 * RATE].any()
    assert np.array_equal(heard[2 * RATE :][: 5 * RATE], samples()[SPOKEN][: 5 * RATE])


def test_audio_streams_that_are_not_heard_are_told() -> None:
    """A microphone of its own in a second stream would be missed without a word."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        streams = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in range(2)]
        for stream, part in zip(streams, (samples()[SPOKEN], np.zeros(RATE, np.int16)), strict=True):
            frame = av.AudioFrame.from_ndarray(part[None], "s16", "mono")
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
    sound, heard = decoded(file.getvalue())
    assert sound.warnings == ("the recording has 2 audio streams, of which only the first was heard",)
    assert np.array_equal(heard, samples()[SPOKEN])


def test_a_gap_becomes_silence() -> None:
    """What follows missing sound keeps its time."""
    _, heard = decoded(recorded("matroska", "pcm_s16le", gap=3))
    assert not heard[5 * RATE + 100 : 8 * RATE].any()
    assert np.array_equal(heard[8 * RATE : 9 * RATE], samples()[SPOKEN][8 * RATE : 9 * RATE])


@pytest.mark.parametrize("recording", [b"no sound at all " * 500, b"\0" * 50_000, b"ID3" + b"x" * 5_000, b"{}"])
def test_garbage_is_given_up_on(recording: bytes) -> None:
    """What no demuxer knows is said to be unreadable."""
    with pytest.raises(GiveUp, match=r"no format that can be read|nothing of it can be decoded"):
        decoded(recording)


def test_a_film_without_sound_is_given_up_on() -> None:
    """A container without an audio stream is named as that."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        film = container.add_stream("mpeg4", rate=10)
        film.width, film.height, film.pix_fmt = 64, 48, "yuv420p"
        container.mux(film.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        container.mux(film.encode(None))
    with pytest.raises(GiveUp, match="no audio stream"):
        decoded(file.getvalue())


def test_a_stream_that_comes_late_ends_nothing() -> None:
    """A format that names no streams beforehand may show another one at its very end."""
    picture = b"\x12" + bytes(10)
    tag = struct.pack(">II3x", 9 << 24 | len(picture), 10_000 << 8) + picture
    recording = recorded("flv", "aac")
    sound, _ = decoded(recording)
    for _ in range(20):
        assert decoded(recording + tag + struct.pack(">I", len(tag)))[0] == sound


def test_a_recording_longer_than_the_limit_is_given_up_on() -> None:
    """The samples are counted, whatever the header says, and the setting is named."""
    with pytest.raises(GiveUp, match=r"longer than 9\.5 s; raise SCRIBE_MAX_DURATION"):
        decoded(recorded("mp3", "libmp3lame"), longest=9.5)


def test_a_damaged_tail_keeps_what_came_before_it() -> None:
    """Half a recording is transcribed, with a warning that says where it ends."""
    whole = recorded("mp3", "libmp3lame")
    noise = np.random.default_rng(0).bytes(len(whole) // 2)
    sound, heard = decoded(whole[: len(whole) // 2] + noise)
    assert sound.samples >= 4.5 * RATE
    assert "damaged" in sound.warnings[0]
    assert abs(offset(heard[: 4 * RATE])) < 0.08


def test_a_recording_that_is_cut_off_says_so() -> None:
    """A header that promises more than there is leaves a warning."""
    whole = recorded("flac", "flac")
    sound, _ = decoded(whole[: len(whole) // 2])
    assert any("cut off: it says it lasts 10.0 s" in warning for warning in sound.warnings)


CUT_OFF = [("mp3", "libmp3lame"), ("wav", "pcm_s16le"), ("wav", "adpcm_ms"), ("au", "pcm_s16be"), ("webm", "libopus")]


@pytest.mark.parametrize(("kind", "codec"), CUT_OFF)
def test_whatever_states_its_length_says_that_it_is_cut_off(kind: str, codec: str) -> None:
    """Half of it leaves a warning that tells how much there should be; the whole, and what trails it, leaves none."""
    whole = recorded(kind, codec)
    assert decoded(whole)[0].warnings == ()
    sound, _ = decoded(whole[: len(whole) // 2])
    (warning,) = sound.warnings
    assert re.search(r"cut off: it says it lasts (9\.9|10\.[01]) s, but (4\.9|5\.0) s can be read", warning)


@pytest.mark.parametrize("stated", [0, 2**31 - 2**12, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_wav_file_of_no_stated_length_is_not_cut_off(stated: int) -> None:
    """Who writes to a pipe cannot know the length and writes nothing there, or the most there can be."""
    piped = bytearray(SAMPLE.read_bytes())
    at = piped.index(b"data") + 4
    piped[at : at + 4] = stated.to_bytes(4, "little")
    assert decoded(bytes(piped))[0] == Sound(30 * RATE, ())


def test_an_mp3_whose_length_is_guessed_is_not_cut_off() -> None:
    """Without a header of its own, silence at first makes it look many times as long as it is."""
    spoken = samples()[SPOKEN]
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"write_xing": "0"}) as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono", options={"flags": "+qscale"})
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.concatenate([np.zeros_like(spoken), spoken])[None], "s16p", "mono")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    guessed = file.getvalue()
    with av.open(io.BytesIO(guessed), "r") as read:
        assert (read.duration or 0) > 30 * av.time_base
    assert decoded(guessed)[0].warnings == ()


def test_an_mp4_that_lacks_its_end_may_have_been_cut_off() -> None:
    """Its index is missing, without which nothing can be read, and the reason says so."""
    whole = recorded("mp4", "aac")
    with pytest.raises(GiveUp, match="may have been cut off"):
        decoded(whole[: len(whole) // 2])


def test_a_playlist_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a file nor an address that a recording names is read in its stead."""
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.wav"
    secret.write_bytes(SAMPLE.read_bytes())
    playlists = [
        "ffconcat version 1.0\nfile secret.wav\n",
        f"ffconcat version 1.0\noption safe 0\nfile '{secret}'\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:30\n#EXTINF:30.0,\n{secret}\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ]
    for playlist in playlists:
        with pytest.raises(GiveUp, match="no format that can be read"):
            decoded(playlist.encode())


def test_decoding_stops_when_it_is_told_to() -> None:
    """The check is called between packets, so a stop is seen at once."""
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise InterruptedError

    data = SAMPLE.read_bytes()
    heard: list[int] = []

    def told(place: int) -> None:
        heard.append(place)
        if len(heard) == 3:
            stop.set()

    with pytest.raises(InterruptedError):
        decode(io.BytesIO(data), io.BytesIO(), 60, check, told)
    assert heard == sorted(heard)
    assert len(heard) == 3
