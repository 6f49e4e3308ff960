"""The diarizer's engine: real pipelines on real speech, short recordings and silence."""

import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pyannote.core import Annotation, Segment, Timeline
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate

from services.diarizer.engine import PyannoteEngine
from services.diarizer.heard import Heard
from services.diarizer.settings import DiarizerSettings
from services.diarizer.stage import diarize
from shared.mesh.outcomes import GiveUp, Stopped
from shared.mesh.work import Work
from shared.models import ModelStore
from shared.transcript import SAMPLE_RATE, Diarization
from tests.fakes.diarizer import blobs, work
from tests.recordings import SAMPLE

# Only now, as the engine's imports make pyannote.audio importable.
from pyannote.audio.core.task import Problem, Resolution, Specifications  # isort: skip
from pyannote.audio.models.embedding import WeSpeakerResNet34  # isort: skip


@pytest.fixture(scope="module")
def engine(model_store: ModelStore) -> PyannoteEngine:
    """The real pipeline, loaded once."""
    return PyannoteEngine(model_store, DiarizerSettings())


async def test_two_speakers_are_found_where_they_talk(engine: PyannoteEngine, pcm: bytes) -> None:
    """On real speech the diarization error rate, overlap and edges counted, is at most 0.10."""
    heard: list[float] = []
    asked = work(len(pcm) // 2)
    made = await diarize(
        Work(asked.job, asked.step, inputs=asked.inputs, progress=heard.append), engine, await blobs(pcm)
    )
    assert isinstance(made, Diarization)
    found = Annotation()
    for number, spoken in enumerate(made.turns):
        found[Segment(spoken.start, spoken.end), number] = spoken.speaker
    reference = load_rttm(SAMPLE.with_suffix(".rttm"))["sample"]  # type: ignore[no-untyped-call]  # it has no annotations
    whole = Timeline([Segment(0, 30)])
    assert DiarizationErrorRate()(reference, found, uem=whole) <= 0.10
    assert {spoken.speaker for spoken in made.turns} == {"SPEAKER_00", "SPEAKER_01"}
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert made.versions["pyannote.audio"]


def test_pieces_joined_are_the_recording_heard_whole(engine: PyannoteEngine, pcm: bytes) -> None:
    """Cut between groups of windows, each piece heard alone, a recording has the turns that it has uncut."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
    cut = 10 * SAMPLE_RATE
    overlap = round(engine.overlap * SAMPLE_RATE)
    pieces = [engine.listen(each, lambda _: None) for each in (samples[: cut + overlap], samples[cut:])]
    joined, whole = Heard.joined(pieces), engine.listen(samples, lambda _: None)
    assert (joined.active != whole.active).mean() < 0.001
    assert np.allclose(joined.voices, whole.voices, atol=0.1, equal_nan=True)
    bounds = {"num_speakers": None, "min_speakers": None, "max_speakers": None}
    one, other = (engine.tell_apart(heard, **bounds) for heard in (joined, whole))
    assert [each.speaker for each in one] == [each.speaker for each in other]
    assert np.allclose([(each.start, each.end) for each in one], [(each.start, each.end) for each in other], atol=0.05)


async def test_the_number_of_speakers_asked_for_is_kept_to(engine: PyannoteEngine, pcm: bytes) -> None:
    """One speaker asked for is one speaker found, where there are two."""
    made = await diarize(work(len(pcm) // 2, num_speakers=1), engine, await blobs(pcm))
    assert isinstance(made, Diarization)
    assert {spoken.speaker for spoken in made.turns} == {"SPEAKER_00"}


@pytest.mark.filterwarnings("ignore:[^.]*number of speakers")
async def test_more_speakers_than_there_are_leave_standard_output_alone(
    engine: PyannoteEngine, pcm: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """As many as can be told apart are found, with a warning, and nothing but log lines is written."""
    made = await diarize(work(len(pcm) // 2, num_speakers=50), engine, await blobs(pcm))
    assert [" of 50 speakers were found" in warning for warning in made.warnings] == [True]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("seconds", [0.0001, 0.05, 0.5, 9.5, 10.01])
async def test_a_recording_cut_in_mid_speech_ends_with_its_last_turn(
    engine: PyannoteEngine, pcm: bytes, seconds: float
) -> None:
    """However short it is, what is heard lies inside of it."""
    count = max(round(seconds * SAMPLE_RATE), 1)
    start = 8 * SAMPLE_RATE if seconds < 1 else 0
    made = await diarize(work(count), engine, await blobs(pcm[2 * start : 2 * (start + count)]))
    assert isinstance(made, Diarization)
    assert all(0 <= each.start < each.end <= count / SAMPLE_RATE for each in made.turns)


async def test_silence_has_no_speakers(engine: PyannoteEngine) -> None:
    """Where nobody talks there are no turns."""
    made = await diarize(work(5 * SAMPLE_RATE), engine, await blobs(bytes(10 * SAMPLE_RATE)))
    assert isinstance(made, Diarization)
    assert made.turns == ()


async def test_a_cancelled_job_stops_computing(engine: PyannoteEngine, pcm: bytes) -> None:
    """Once `stop` is set the run ends at the next batch, long before the end."""
    long = pcm * 10
    stop = threading.Event()
    heard: list[float] = []

    def progress(fraction: float) -> None:
        heard.append(fraction)
        stop.set()

    asked = work(len(long) // 2)
    with pytest.raises(Stopped):
        await diarize(
            Work(asked.job, asked.step, inputs=asked.inputs, stop=stop, progress=progress), engine, await blobs(long)
        )
    assert heard == [0.0]


async def test_a_pipeline_is_loaded_by_name(model_store: ModelStore, tmp_path: Path, pcm: bytes) -> None:
    """A checkpoint laid out like community-1, in the operator's folder, is used without any hub."""
    lay_out(tmp_path / "acme--pipeline", model_store.fetch("pyannote-segmentation-3.0"))
    named = PyannoteEngine(ModelStore(tmp_path, tmp_path), DiarizerSettings(diarizer_model="acme/pipeline"))
    start = pcm[: 2 * 11 * SAMPLE_RATE]  # its voices are slow, and say nothing
    made = await diarize(work(len(start) // 2), named, await blobs(start))
    assert isinstance(made, Diarization)
    assert made.model == "acme/pipeline"
    assert made.turns


async def test_a_model_that_finds_no_speakers_is_refused(model_store: ModelStore) -> None:
    """A name of the wrong kind is given up on, and the message says which setting to change."""
    whisper = PyannoteEngine(model_store, DiarizerSettings(diarizer_model="tiny.en"))
    with pytest.raises(GiveUp, match="SCRIBE_DIARIZER_MODEL"):
        await diarize(work(SAMPLE_RATE), whisper, await blobs(bytes(2 * SAMPLE_RATE)))


def lay_out(folder: Path, segmentation: Path) -> None:
    """Make a pipeline's folder with the real segmentation, untrained voices and a PLDA that changes nothing."""
    for part in ("segmentation", "embedding", "plda"):
        (folder / part).mkdir(parents=True)
    (folder / "segmentation/pytorch_model.bin").symlink_to(segmentation / "pytorch_model.bin")
    voices = WeSpeakerResNet34()
    voices.specifications = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=5.0, classes=["a"])
    checkpoint: dict[str, Any] = {"state_dict": voices.state_dict(), "hyper_parameters": dict(voices.hparams)}
    checkpoint["pytorch-lightning_version"] = version("lightning")
    voices.on_save_checkpoint(checkpoint)  # type: ignore[no-untyped-call]  # it has no annotations
    torch.save(checkpoint, folder / "embedding/pytorch_model.bin")
    np.savez(folder / "plda/xvec_transform.npz", mean1=np.zeros(256), mean2=np.zeros(128), lda=np.eye(256, 128))
    np.savez(folder / "plda/plda.npz", mu=np.zeros(128), tr=np.eye(128), psi=np.linspace(2, 1, 128))
    parts = {part: f"$model/{part}" for part in ("segmentation", "embedding", "plda")}
    params = {"clustering": "VBxClustering", **parts}
    tuned = {"segmentation": {"min_duration_off": 0.0}, "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}}
    pipeline = {"name": "pyannote.audio.pipelines.SpeakerDiarization", "params": params}
    (folder / "config.yaml").write_text(yaml.safe_dump({"pipeline": pipeline, "params": tuned}))
