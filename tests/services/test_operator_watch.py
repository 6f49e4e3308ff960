"""Watching a job from the command: its events, its bars, and how it ends."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from rich.console import Console

from services.operator.bars import Fractions
from services.operator.failed import Failed
from services.operator.follow import follow
from services.operator.gateway import Gateway
from services.operator.sse import events
from tests.fakes.operator import gateway_that

QUIET = Console(quiet=True)
STREAM = b"""event: snapshot\n\
data: {"happening": "snapshot", "state": "running", "stages": {"downloader": {"fraction": 1.0}}}\n\n: still here\n\n\
event: progress\nid: 2\n\
data: {"happening": "progress", "sequence": 2, "stage": "transcriber", "part": 0, "stage_fraction": 0.25}\n\n"""
COMPLETED = b'event: completed\nid: 3\ndata: {"happening": "completed", "sequence": 3, "words": 7}\n\n'
FAILED = b'event: failed\ndata: {"happening": "failed", "error": "no speech"}\n\n'
CANCELLED = b'event: cancelled\ndata: {"happening": "cancelled", "error": null}\n\n'
LAGGING = b'event: lagging\ndata: {"happening": "lagging"}\n\n'


async def lines(text: bytes) -> AsyncIterator[bytes]:
    """Yield the text line by line, as a response's body does."""
    for line in text.splitlines(keepends=True):
        yield line


async def test_events_are_read_whole_and_comments_are_passed_over() -> None:
    """An event that was cut off is none."""
    seen = [event async for event in events(lines(STREAM + COMPLETED + b'data: {"cut": "off"}\n'))]
    assert [event["happening"] for event in seen] == ["snapshot", "progress", "completed"]
    assert seen[-1]["words"] == 7


def test_a_bar_never_goes_back_and_what_lies_before_is_full() -> None:
    """Progress comes late or twice; a stage that works has its predecessors behind it."""
    fractions = Fractions()
    for fraction in (0.5, 0.2):
        fractions.tell({"happening": "progress", "stage": "transcriber", "stage_fraction": fraction})
    assert fractions.of == {"downloader": 1.0, "transcriber": 0.5, "diarizer": 0.0, "enhancer": 0.0}
    fractions.tell({"happening": "snapshot", "stages": {"diarizer": {"fraction": 0.75}}})
    assert fractions.of == {"downloader": 1.0, "transcriber": 0.5, "diarizer": 0.75, "enhancer": 0.0}
    fractions.tell({"happening": "completed"})
    assert set(fractions.of.values()) == {1.0}


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (STREAM + FAILED, "job 7 failed: no speech"),
        (STREAM, "broke off before its end; type: scribe watch 7"),
        (STREAM + CANCELLED, "job 7 cancelled: no reason was given"),
    ],
)
async def test_a_job_that_did_not_complete_fails_the_command(stream: bytes, said: str) -> None:
    """With the reason, or with how to go on watching."""

    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/v1/jobs/7/events"
        return web.Response(body=stream, content_type="text/event-stream")

    async with gateway_that(answer) as server, Gateway(str(server.make_url(""))) as gateway:
        with pytest.raises(Failed, match=said):
            await follow(gateway, "7", QUIET)


async def test_a_listener_that_fell_behind_listens_again() -> None:
    """Until the job has ended."""
    streams = [STREAM + LAGGING, STREAM + COMPLETED]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=streams.pop(0), content_type="text/event-stream")

    async with gateway_that(answer) as server, Gateway(str(server.make_url(""))) as gateway:
        await follow(gateway, "7", QUIET)
    assert not streams
