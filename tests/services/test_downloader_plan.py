"""Cutting a recording: pure, so its promises are checked on whatever recordings hypothesis thinks of."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.downloader.plan import NEVER, Run, chunks, final
from shared.options import VoiceActivity
from shared.transcript import SAMPLE_RATE, Chunk, Span

PLAIN = VoiceActivity(padding=0)


def seconds(*spans: tuple[float, float]) -> list[Run]:
    """Return runs of speech given in seconds."""
    return [Run(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)) for start, end in spans]


def cut(
    *spans: tuple[float, float], asked: VoiceActivity = PLAIN, lasting: float = 600, target: float = 180
) -> list[Chunk]:
    """Return the chunks of a recording with speech at these seconds."""
    return list(chunks(seconds(*spans), round(lasting * SAMPLE_RATE), asked, target))


def windows(cuts: list[Chunk]) -> list[Span]:
    """Return the windows of all chunks in order."""
    return [window for chunk in cuts for window in chunk.windows]


@st.composite
def recordings(draw: st.DrawFn) -> tuple[list[Run], int]:
    """Return runs of speech, from clicks to monologues, and the length of the recording."""
    lengths = st.integers(1, 100 * SAMPLE_RATE) | st.integers(512, 5 * SAMPLE_RATE)
    pauses = st.integers(800, 90 * SAMPLE_RATE) | st.integers(800, SAMPLE_RATE)
    at, runs = draw(st.integers(0, 40 * SAMPLE_RATE)), []
    for length, pause in draw(st.lists(st.tuples(lengths, pauses), max_size=40)):
        runs.append(Run(at, at + length))
        at += length + pause
    return runs, (runs[-1].end if runs else at) + draw(st.integers(0, 60 * SAMPLE_RATE))


asked = st.builds(
    VoiceActivity,
    min_speech=st.sampled_from([0.0, 0.25, 2.0]),
    min_silence=st.sampled_from([0.05, 0.5, 5.0]),
    padding=st.sampled_from([0.0, 0.2, 2.0]),
)
targets = st.sampled_from([30.0, 60.0, 180.0])


def bounds(span: Span) -> tuple[int, int]:
    """Return a span in samples; raise if it does not name samples exactly."""
    start, end = round(span.start * SAMPLE_RATE), round(span.end * SAMPLE_RATE)
    assert (start / SAMPLE_RATE, end / SAMPLE_RATE) == (span.start, span.end)
    return start, end


@given(recordings(), asked, targets)
def test_windows_and_chunks_are_in_order_apart_and_within_their_limits(
    recording: tuple[list[Run], int], vad: VoiceActivity, target: float
) -> None:
    """No sample is in two windows or two chunks, none outside the recording, and nothing is longer than allowed."""
    runs, samples = recording
    cuts = list(chunks(runs, samples, vad, target))
    assert [chunk.index for chunk in cuts] == list(range(len(cuts)))
    for spans in (windows(cuts), cuts):
        edges = [edge for span in spans for edge in bounds(span)]
        assert edges == sorted(edges)
        assert all(0 <= start < end <= samples for start, end in map(bounds, spans))
    for chunk in cuts:
        assert chunk.start <= chunk.windows[0].start
        assert chunk.windows[-1].end <= chunk.end
        assert bounds(chunk.windows[-1])[1] - bounds(chunk.windows[0])[0] <= target * SAMPLE_RATE
        assert all(end - start <= 30 * SAMPLE_RATE for start, end in map(bounds, chunk.windows))


@given(recordings(), asked, targets)
def test_every_sample_of_speech_is_in_a_window(
    recording: tuple[list[Run], int], vad: VoiceActivity, target: float
) -> None:
    """Whatever is long enough to be speech is transcribed, whole; windows do not overlap, so it is so once."""
    runs, samples = recording
    covered = [bounds(window) for window in windows(list(chunks(runs, samples, vad, target)))]
    for run in runs:
        if run.end - run.start > vad.min_speech * SAMPLE_RATE:
            inside = [(max(start, run.start), min(end, run.end)) for start, end in covered]
            assert sum(max(0, end - start) for start, end in inside) == run.end - run.start


@st.composite
def hearings(draw: st.DrawFn) -> tuple[list[Run], int, int, int]:
    """Return a recording's runs and samples, how many of its runs are heard, and where what follows may begin."""
    runs, samples = draw(recordings())
    heard = draw(st.integers(0, len(runs)))
    earliest = runs[heard - 1].end if heard else 0
    return runs, samples, heard, draw(st.integers(earliest, runs[heard].start if heard < len(runs) else samples))


@given(hearings(), asked, targets)
@settings(max_examples=1_000)
def test_what_is_called_final_is_the_beginning_of_the_whole_plan(
    hearing: tuple[list[Run], int, int, int], vad: VoiceActivity, target: float
) -> None:
    """Whatever is heard behind it, a chunk that was called final is cut so, to the sample, and its windows too."""
    runs, samples, heard, point = hearing
    whole = chunks(runs, samples, vad, target)
    found = final(runs[:heard], point, vad, target)
    assert found == whole[: len(found)]
    assert all(bounds(chunk)[1] <= point for chunk in found)


@given(recordings(), asked, targets)
def test_of_what_is_heard_to_its_end_all_chunks_but_the_last_are_final(
    recording: tuple[list[Run], int], vad: VoiceActivity, target: float
) -> None:
    """Nothing is held back for longer than it must be."""
    runs, samples = recording
    assert final(runs, NEVER, vad, target) == chunks(runs, samples, vad, target)[:-1]


def test_the_first_chunk_is_final_as_soon_as_a_window_lies_beyond_its_reach() -> None:
    """With talk every 20 s, the silences within three minutes are known once somebody has been heard behind them."""
    talk = seconds(*((at, at + 16.0) for at in range(0, 600, 20)))
    counts = [len(final(talk[:heard], talk[heard].start, PLAIN, 180)) for heard in range(len(talk))]
    assert counts[:11] == [0] * 10 + [1]
    assert counts[-1] == len(cut(*((at, at + 16.0) for at in range(0, 600, 20)))) - 1


def test_no_speech_makes_no_chunks() -> None:
    """Silence has nothing to transcribe."""
    assert cut() == []


def test_near_stretches_share_a_window_and_far_ones_do_not() -> None:
    """Whisper sees context, but no long silence."""
    found = windows(cut((0, 5), (7, 12), (20, 25)))
    assert [(window.start, window.end) for window in found] == [(0, 12), (20, 25)]


def test_long_speech_is_split_at_its_longest_pause() -> None:
    """The pause of a breath at 22 s is better than the ones of a consonant around it."""
    found = windows(cut((0, 18), (18.1, 21.8), (22.2, 28), (28.1, 50)))
    assert [(window.start, window.end) for window in found] == [(0, 22), (22, 50)]


def test_a_longer_pause_in_the_first_half_is_passed_over_for_one_in_the_second() -> None:
    """Else speech would fall into short windows: only where the second half has none is the first half's taken."""
    assert [window.end for window in windows(cut((0, 12), (12.4, 20), (20.2, 41), (41.3, 50)))] == [20.1, 50]
    assert [window.end for window in windows(cut((0, 12), (12.4, 40)))] == [12.2, 40]


def test_limits_are_met_to_the_sample() -> None:
    """What is silent for `min_silence` is two stretches, what lasts `min_speech` is noise; three seconds are near."""
    vad = VoiceActivity(min_silence=0.5, min_speech=0.5, padding=0)
    assert cut((1, 1.3), (1.8, 2.1), (30, 30.5), asked=vad) == []
    assert [window.end for window in windows(cut((0, 5), (8, 30), (33, 34)))] == [30, 34]
    assert [window.end for window in windows(cut((0, 5), (8 + 1 / SAMPLE_RATE, 9)))] == [5, 9]


def test_speech_without_a_pause_is_split_at_thirty_seconds() -> None:
    """Where nothing better is known, the window's limit decides."""
    assert [window.end for window in windows(cut((0, 70)))] == [30, 60, 70]


def test_short_pauses_do_not_end_a_stretch_and_noise_is_left_out() -> None:
    """The job's own idea of silence and of speech is honoured."""
    vad = VoiceActivity(min_silence=1, min_speech=0.5, padding=0)
    found = windows(cut((1, 2), (2.5, 4), (30, 30.4), asked=vad))
    assert [(window.start, window.end) for window in found] == [(1, 4)]


def test_padding_is_added_and_neighbours_meet_in_the_middle() -> None:
    """Padded stretches touch at the most; the recording's ends are respected."""
    vad = VoiceActivity(padding=2)
    found = windows(cut((1, 20), (21, 41), asked=vad, lasting=42))
    assert [(window.start, window.end) for window in found] == [(0, 20.5), (20.5, 42)]


def test_chunks_are_cut_at_the_longest_silence_within_reach() -> None:
    """A chunk ends where the recording is silent longest, not where it is full; the cut is in the middle."""
    talk = [(at, at + 16.0) for at in range(0, 120, 20)] + [(at + 5.0, at + 21.0) for at in range(120, 240, 20)]
    first, *_ = cut(*talk, target=180)
    assert [first.windows[-1].end, first.end] == [116, 117]


def test_chunks_keep_little_of_a_long_silence() -> None:
    """An hour of silence is nobody's to read."""
    first, second = cut((100, 120), (3720, 3740), lasting=4000)
    assert [(first.start, first.end), (second.start, second.end)] == [(99, 121), (3719, 3741)]
