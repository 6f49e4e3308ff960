"""The gateway: what is left of a job that ended without a result."""

from pathlib import Path

from shared.jobs.document import StepRecord
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
