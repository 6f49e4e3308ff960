"""A transcriber that cannot open what it needs: the process ends, and what is queued stays there for another."""

import asyncio
import sys
from pathlib import Path

import pytest

from deploy.local.child import inherited
from shared.topology import Happening, Stage, work_queue
from tests.broker.conftest import Net
from tests.broker.test_steps import WORKING, usual

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]

ON_A_GPU = """
import sys
from faststream.__main__ import cli
from services.transcriber import loading

SAID = "CUDA failed with error no kernel image is available for execution on the device"

def rehearse(*_):
    raise RuntimeError(SAID)

cpu, read = loading.Placement("cpu", "int8"), loading.Placement._read
loading.Placement.of = classmethod(lambda cls, _: cls("cuda", "float16"))
loading.Placement._read = lambda self, path, layout: read(cpu, path, layout)
loading.rehearse = rehearse
sys.argv[1:] = ["run", "services.transcriber.main:build", "--factory"]
cli()
"""
"""The transcriber on a GPU that loads models and then cannot compute."""


async def test_a_transcriber_whose_gpu_cannot_do_it_ends_and_costs_no_job_an_attempt(net: Net) -> None:
    """It says which device failed and how; the chunks wait in the queue, and another one writes them down."""
    await net.stages(usual, Stage.DOWNLOADER)
    job = await net.submit()
    await net.until(lambda event: event.body.get("stage") == Stage.DOWNLOADER)
    said = await _ended(net)
    assert "'tiny.en' on 'cuda'" in said
    assert "no kernel image" in said
    assert (await net.parts.post.count(work_queue(Stage.TRANSCRIBER).name)).messages == net.settings.window
    await net.stages(usual, *(stage for stage in WORKING if stage is not Stage.DOWNLOADER))
    assert (await net.ended(job)).happening is Happening.COMPLETED
    steps = (await net.parts.store.find(job.id)).steps
    assert {state.attempts for key, state in steps.items() if key.startswith(Stage.TRANSCRIBER)} == {1}


async def _ended(net: Net) -> str:
    """Return what the transcriber says until it ends by itself, with an error."""
    settings = net.settings
    environment = {
        "SCRIBE_AMQP_URL": settings.amqp_url,
        "SCRIBE_MONGO_URL": settings.mongo_url,
        "SCRIBE_MONGO_DATABASE": settings.mongo_database,
        "SCRIBE_BLOBS_URL": settings.blobs_url,
        "SCRIBE_CACHE": str(ROOT / ".scribe/cache"),
        "SCRIBE_TRANSCRIBER_MODEL": "tiny.en",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ON_A_GPU),
        env=inherited(environment),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(240):
        said, _ = await process.communicate()
    assert process.returncode
    return said.decode()
