"""Properties that no client of the mesh would send: the broker passes them on, and no consumer may end at them."""

import asyncio
import struct

import aiormq
import pytest
from aiormq.abc import ChannelFrame
from pamqp import commands, constants, frame

from shared.jobs.step import Step
from shared.mesh.work import Work
from shared.messages import Diagnosis, StepMessage
from shared.topology import JOBS, Lane, Stage, dead_queue, step_key
from shared.transcript import Output
from tests.broker.conftest import Net
from tests.broker.test_steps import usual

pytestmark = pytest.mark.broker

LATIN = "café".encode("latin-1")
TABLE, PRIORITY, NAME, TIME = 1 << 13, 1 << 11, 1 << 7, 1 << 6
"""Flags of the properties headers, priority, message_id and timestamp, in the order in which they follow."""


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        (NAME, bytes([len(LATIN)]) + LATIN),
        (TIME, struct.pack(">Q", 1_700_000_000_000_000)),
        (TABLE, struct.pack(">I", len(LATIN) + 2) + bytes([len(LATIN)]) + LATIN + b"V"),
    ],
    ids=["a name that is no UTF-8", "a time in microseconds", "a header whose name is no UTF-8"],
)
async def test_a_message_whose_properties_cannot_be_read_is_parked(net: Net, flag: int, value: bytes) -> None:
    """It is no message of the mesh, and goes where those go; what comes behind it is worked on."""
    await net.stages(usual, Stage.DOWNLOADER)
    await _published(net.settings.amqp_url, flag, value)
    letter = await net.dead_letter(Stage.DOWNLOADER)
    job = await net.submit()
    await net.until(lambda event: event.job == job.id and event.body.get("fraction") == 1.0)
    assert letter.body == b"not ours"
    assert (await net.parts.post.count(dead_queue(Stage.DOWNLOADER).name)).messages == 0


async def test_a_step_of_another_stage_is_parked_where_it_was_sent(net: Net) -> None:
    """A stage does its own steps alone: what it made of another's would count as that one's output."""
    done: list[Step] = []

    async def do(work: Work) -> Output:
        done.append(work.step)
        return await usual(work)

    await net.stages(do, Stage.ENHANCER)
    job = await net.submit()
    strayed = StepMessage.of(Step(job.id, Stage.DOWNLOADER)).model_dump_json()
    await net.parts.post.publish(JOBS.name, step_key(Stage.ENHANCER), strayed)
    letter = await net.dead_letter(Stage.ENHANCER)
    assert (letter.body, done) == (strayed.encode(), [])
    assert "stage: is downloader" in Diagnosis.read(letter.headers).reason
    assert (await net.parts.store.find(job.id)).steps["downloader-0"].attempts == 0


async def _published(url: str, flag: int, value: bytes) -> None:
    """Publish a message with the property as it is, so urgent that it comes before all others."""
    urgent, body = bytes([Lane.URGENT]), b"not ours"
    properties = value + urgent if flag > PRIORITY else urgent + value
    header = struct.pack(">HHQH", commands.Basic.frame_id, 0, len(body), flag | PRIORITY) + properties
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        assert isinstance(channel, aiormq.Channel)
        to = commands.Basic.Publish(exchange=JOBS.name, routing_key=step_key(Stage.DOWNLOADER))
        payload = frame.marshal(to, channel.number)
        for kind, content in ((constants.FRAME_HEADER, header), (constants.FRAME_BODY, body)):
            payload += struct.pack(">BHI", kind, channel.number, len(content)) + content + constants.FRAME_END_CHAR
        sent = asyncio.get_running_loop().create_future()
        await channel.write_queue.put(ChannelFrame(payload, should_close=False, drain_future=sent))
        await sent
