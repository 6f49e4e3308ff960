"""Chunks that are announced, over a real broker and database."""

import asyncio

import pytest

from shared.jobs.states import StepState
from shared.mesh.work import Work
from shared.topology import Happening, Stage
from shared.transcript import Cut, Output
from tests.broker.conftest import Net
from tests.broker.test_steps import WORKING, usual
from tests.fakes.jobs import cut, prepared

pytestmark = pytest.mark.broker


async def test_a_chunk_is_transcribed_while_the_downloader_works(net: Net) -> None:
    """What is announced is in the transcriber's queue at once; the downloader ends only when it has been worked on."""
    known = list[int]()
    heard = asyncio.Event()

    async def do(work: Work) -> Output:
        if work.step.stage is Stage.DOWNLOADER:
            work.announce(cut("a", "b"))
            await heard.wait()
            return prepared(digests=("a", "b"))
        if work.step.stage is Stage.TRANSCRIBER:
            known.append(len(work.outputs(Cut)[0].chunks))
            job = await net.parts.store.find(work.job.id)
            if job.steps["downloader-0"].state is StepState.RUNNING and "transcriber-1" in job.steps:
                heard.set()
        return await usual(work)

    await net.stages(do, *WORKING)
    job = await net.submit()
    assert (await net.ended(job)).happening is Happening.COMPLETED
    assert known[0] == 2
    assert known[-1] == len(prepared().chunks) == len(known)
    facts = [event.sequence for event in net.events if event.happening is not Happening.PROGRESS]
    assert facts == list(range(1, 6))
