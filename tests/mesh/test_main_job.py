"""The main job, end to end: a message on the exchange becomes a transcript with speakers."""

from collections import Counter
from datetime import datetime

import pysubs2
import pytest

from shared.jobs.document import StepRecord
from shared.topology import Happening, Stage
from shared.transcript import Diarization
from tests.mesh.conftest import Client
from tests.mesh.held_enhancer import HELD
from tests.quality import cp_wer, der
from tests.recordings import SAMPLE

pytestmark = [pytest.mark.broker, pytest.mark.mesh, pytest.mark.timeout(600)]

CP_WER = 0.30
DER = 0.10
LOOPS = 10


async def test_a_message_becomes_a_transcript_with_speakers_as_good_as_promised(client: Client) -> None:
    """Words, times and voices of the sample are right within the bounds that the README states."""
    job_id = await client.submit("sample.wav", language="en", metadata={"ours": 17})
    event = await client.ended(job_id)
    assert event.happening is Happening.COMPLETED
    assert event.body["metadata"] == {"ours": 17}
    job, transcript = await client.result(job_id)
    outputs = await client.store.outputs(job, [Stage.DIARIZER])
    (voices,) = outputs[Stage.DIARIZER]
    assert isinstance(voices, Diarization)
    error, speakers = cp_wer(transcript, SAMPLE.with_suffix(".stm")), der(voices.turns, SAMPLE.with_suffix(".rttm"))
    print(f"cpWER {error:.3f}, DER {speakers:.3f}")  # noqa: T201 - the figures that the README carries
    assert error <= CP_WER
    assert speakers <= DER
    assert len(transcript.speakers) == 2


async def test_every_form_of_the_transcript_can_be_had(client: Client) -> None:
    """SRT and VTT parse, plain text names the speakers, and the words have times and probabilities."""
    job_id = await client.submit("sample.wav", language="en")
    await client.ended(job_id)
    for form in ("srt", "vtt"):
        assert len(pysubs2.SSAFile.from_string(await client.transcript(job_id, form), form)) > 5
    assert "SPEAKER_01" in await client.transcript(job_id, "txt")
    _, transcript = await client.result(job_id)
    words = [word for segment in transcript.segments for word in segment.words]
    assert all(0 <= word.start <= word.end <= transcript.duration for word in words)
    assert all(0 < word.probability <= 1 for word in words)
    assert sum(word.speaker is not None for word in words) > 0.95 * len(words)


async def test_five_minutes_are_shared_by_two_transcribers_while_the_diarizer_works(client: Client) -> None:
    """Chunks are done by both processes, diarization runs at the same time, no seam is repeated or lost."""
    job_id = await client.submit("five-minutes.wav", language="en")
    assert (await client.ended(job_id)).happening is Happening.COMPLETED
    job, transcript = await client.result(job_id)
    chunks = [record for key, record in job.steps.items() if key.startswith("transcriber-")]
    assert len({record.worker for record in chunks}) == 2
    diarizer = job.steps["diarizer-0"]
    assert any(_overlap(chunk, diarizer) for chunk in chunks)
    words = [word for segment in transcript.segments for word in segment.words]
    assert [word.start for word in words] == sorted(word.start for word in words)
    loop = transcript.duration / LOOPS
    counts = Counter(int(word.start // loop) for word in words)
    assert len(counts) == LOOPS
    assert max(counts.values()) - min(counts.values()) <= 0.2 * max(counts.values())


def _overlap(one: StepRecord, other: StepRecord) -> bool:
    (began, ended), (other_began, other_ended) = map(_times, (one, other))
    return began < other_ended and other_began < ended


def _times(record: StepRecord) -> tuple[datetime, datetime]:
    assert record.started is not None
    assert record.ended is not None
    return record.started, record.ended


async def test_the_death_of_each_worker_in_mid_step_costs_nothing(client: Client) -> None:
    """Kill -9 of the diarizer, a transcriber and the enhancer: one job, one result, one `completed` event."""
    job_id = await client.submit("five-minutes.wav", language="en", metadata=HELD)
    killed = [await client.killed(job_id, stage) for stage in (Stage.TRANSCRIBER, Stage.DIARIZER, Stage.ENHANCER)]
    assert (await client.ended(job_id, 400)).happening is Happening.COMPLETED
    job, transcript = await client.result(job_id)
    assert [job.steps[key].attempts for key in killed] == [2, 2, 2]
    told = [event.happening for event in client.events if event.job == job_id]
    assert told.count(Happening.COMPLETED) == 1
    assert transcript.warnings == ()
