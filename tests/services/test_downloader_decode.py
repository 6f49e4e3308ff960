"""Decoding and hearing: real speech in real containers, whole, damaged and in disguise."""

import io
import struct
import subprocess
import sys
import threading
import wave
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from faster_whisper.vad import VadOptions, get_speech_timestamps

from services.downloader.decode import decode
from services.downloader.plan import NEVER, Run
from services.downloader.track import Sound
from services.downloader.voice import FRAME, PIECE, speech
from shared.mesh.outcomes import GiveUp
from tests.recordings import RATE, SAMPLE, samples

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


def wav(rate: int, channels: int) -> bytes:
    """Return half a second of noise, at 16 kHz, under the header given."""
    noise, file = np.random.default_rng(0).bytes(RATE * channels), io.BytesIO()
    with wave.open(file, "wb") as header:
        header.setparams((channels, 2, rate, 0, "NONE", ""))
        header.writeframes(noise)
    return file.getvalue()


@pytest.mark.parametrize(
    ("rate", "channels"), [(RATE, 9), (RATE, 32), (RATE, 65), (8_000_000, 1), (400_000_009, 1), (2**31 - 1, 1)]
)
def test_sound_of_a_shape_that_cannot_be_converted_is_given_up_on(rate: int, channels: int) -> None:
    """The shape is named, and it is no bug that is tried again."""
    with pytest.raises(
        GiveUp, match=rf"\(pcm_s16le, {channels} channels, {rate} Hz\), but nothing of it can be decoded"
    ):
        decoded(wav(rate, channels))


def test_sound_in_an_unknown_codec_is_given_up_on() -> None:
    """What FFmpeg has no decoder for is told as that."""
    unknown = bytearray(wav(RATE, 1))
    unknown[20:22] = b"\x34\x12"
    with pytest.raises(GiveUp, match="codec that is not known"):
        decoded(bytes(unknown))


MEASURED = """
import io, re, sys
from pathlib import Path
from services.downloader.decode import decode
class Nowhere:
    write = staticmethod(len)
decode(io.BytesIO(sys.stdin.buffer.read()), Nowhere(), 100_000, lambda: None, lambda _: None)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))
"""
"""Decodes and prints the most memory that the process ever held, in kilobytes."""


def slow() -> bytes:
    """Return four hours of silence in some kilobytes: one sample a second, and 16,384 of them a frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=1, layout="mono", options={"frame_size": "16384", "strict": "-2"})
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_384), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 1, 0, Fraction(1, 1)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def pictured() -> bytes:
    """Return a recording whose cover is a picture of 16,000 by 16,000 points, all black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    points = b"".join(packer.compress(bytes(1 + 16_000 * 8)) for _ in range(16_000)) + packer.flush()
    head = struct.pack(">IIBBBBB", 16_000, 16_000, 16, 6, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", points) + chunk(b"IEND", b"")
    body = b"\0image/png\0\x03\0" + png
    tag = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = bytes(len(tag) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + tag + recorded("mp3", "libmp3lame")


@pytest.mark.parametrize("made", [slow, pictured])
def test_a_small_recording_takes_no_large_memory(made: Callable[[], bytes]) -> None:
    """Neither a frame that lasts for hours nor a cover of some megabytes takes a process's memory."""
    ended = subprocess.run(  # noqa: S603 - of our own making
        [sys.executable, "-c", MEASURED], input=made(), stdout=subprocess.PIPE, check=True
    )
    assert int(ended.stdout) < 400_000


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


def heard(data: np.ndarray) -> list[Run]:
    """Return the runs of speech in all of the samples."""
    *_, whole = speech(io.BytesIO(data.tobytes()), 0.5)
    assert whole.point == NEVER
    return whole.runs


def test_speech_is_found_where_it_is() -> None:
    """The sample begins with silence and talks nearly without a stop from second eight on."""
    data = samples()
    runs = heard(data)
    assert 6 * RATE < runs[0].start < 8 * RATE
    assert sum(run.end - run.start for run in runs if run.start > 7.5 * RATE) > 20 * RATE


def test_silence_has_no_speech() -> None:
    """Nothing is heard where nothing is said."""
    assert heard(np.zeros(10 * RATE, np.int16)) == []


@pytest.mark.parametrize("seconds", [1, 30, 32, 64, 90])
def test_pieces_hear_what_the_whole_hears(seconds: int) -> None:
    """A recording heard piece by piece has the very runs of speech that faster-whisper hears in it at once."""
    data = np.tile(samples(), 3)[: seconds * FRAME * 1000 // 32]
    options = VadOptions(min_speech_duration_ms=0, min_silence_duration_ms=50, speech_pad_ms=0)
    whole = get_speech_timestamps(data.astype(np.float32) / 32768, options)
    runs = heard(data)
    assert runs == [(run["start"], run["end"]) for run in whole]


def test_the_end_of_a_recording_is_heard_as_in_the_whole() -> None:
    """Wherever a recording breaks off, within a frame or between two, what is heard of its end is the same."""
    options = VadOptions(min_speech_duration_ms=0, min_silence_duration_ms=50, speech_pad_ms=0)
    for end in range(12 * RATE, 12 * RATE + 2 * FRAME, 37):
        data = samples()[5 * RATE : end]
        whole = get_speech_timestamps(data.astype(np.float32) / 32768, options)
        assert heard(data) == [(run["start"], run["end"]) for run in whole]


def test_what_is_heard_so_far_stays_and_the_rest_begins_behind_it() -> None:
    """After each piece, the runs known are the first of all, and every other one begins at the point told or later."""
    data = np.tile(samples(), 5)
    *pieces, whole = speech(io.BytesIO(data.tobytes()), 0.5)
    assert [piece.samples for piece in pieces] == [PIECE * number for number in range(1, len(data) // PIECE + 1)]
    assert (whole.samples, len(whole.runs) > len(pieces[-1].runs)) == (len(data), True)
    for piece in pieces:
        later = whole.runs[len(piece.runs) :]
        assert whole.runs == [*piece.runs, *later]
        assert later[0].start >= piece.point >= piece.runs[-1].end
