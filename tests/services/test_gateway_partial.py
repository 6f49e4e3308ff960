"""The gateway: what is left of a job that ended without a result."""

from pathlib import Path

from services.gateway.partial import partial
from shared.jobs.document import Facts, StepRecord
from shared.jobs.states import JobState, StepState
from shared.jobs.step import Step
from shared.topology import Stage
from shared.transcript import Transcript
from tests.fakes.gateway import gateway
from tests.fakes.jobs import chunk_text, new_job


async def test_what_a_cancelled_job_left_can_be_read_and_is_marked(tmp_path: Path) -> None:
    """The chunks that were done are given, said to be a part; a job with none says that there is nothing."""
    job = new_job().job.model_copy(update={"tenant": "default", "state": JobState.CANCELLED, "steps": {}})
    async with gateway(tmp_path) as house:
        house.store.jobs[job.id] = job
        async with house.http.get(f"/v1/jobs/{job.id}/transcript") as answer:
            assert (answer.status, "no chunk was done before" in await answer.text()) == (409, True)
        record = StepRecord(queued=job.created, state=StepState.DONE, winner=1)
        house.store.jobs[job.id] = job.model_copy(update={"steps": {"transcriber-1": record}})
        await house.store.put_output(Step(job.id, Stage.TRANSCRIBER, 1), 1, chunk_text(1))
        async with house.http.get(f"/v1/jobs/{job.id}/transcript") as answer:
            left = Transcript.model_validate_json(await answer.read())
    assert (left.partial, left.text, left.segments[0].start) == (True, "שלום", 10)
    assert "cancelled" in left.warnings[-1]
    assert (left.duration, "1 chunks are here; the recording had not" in left.warnings[-1]) == (15.0, True)


def test_what_is_left_is_read_by_chunk_and_says_what_is_missing() -> None:
    """A paragraph for each chunk with its segments by index, silence left out; its length and the job's metadata."""
    facts = Facts(duration=47.0, chunks=5)
    job = new_job(metadata={"case": 17}).job.but(state=JobState.FAILED, facts=facts, warnings=("no voices",))
    silent = chunk_text(1).model_copy(update={"segments": ()})
    left = partial(job, [chunk_text(0), silent, chunk_text(2, "לכולם"), chunk_text(3)])
    read = [(each.start, each.end, each.text, each.segments) for each in left.paragraphs]
    assert read == [(0, 5, "שלום", (0,)), (20, 25, "לכולם", (1,)), (30, 35, "שלום", (2,))]
    assert left.text == "שלום\nלכולם\nשלום"
    assert left.warnings == ("no voices", "the job is failed: 4 of 5 chunks are here")
    assert (left.duration, left.metadata) == (47.0, {"case": 17})
