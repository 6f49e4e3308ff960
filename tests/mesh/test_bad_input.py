"""Bad input gets its own clear error, and the mesh goes on."""

from uuid import uuid4

import aiohttp
import pytest

from shared.topology import Happening
from tests.mesh.conftest import Client

pytestmark = [pytest.mark.broker, pytest.mark.mesh, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        ("garbage.mp3", "garbage.mp3"),
        ("nowhere.wav", "404"),
        ("empty.wav", "empty"),
        ("too-long.wav", "SCRIBE_MAX_DURATION"),
    ],
)
async def test_a_recording_that_cannot_be_used_fails_its_job_with_the_reason(
    client: Client, recording: str, said: str
) -> None:
    """The `failed` event and the document say what was wrong with the recording."""
    job_id = await client.submit(recording)
    event = await client.ended(job_id)
    assert event.happening is Happening.FAILED
    assert said in event.body["error"]
    assert said in str((await client.store.find(job_id)).error)


@pytest.mark.parametrize("url", ["http://10.0.0.1/a.wav", "http://[::1]/a.wav", "http://169.254.169.254/latest"])
async def test_a_private_address_is_never_asked(client: Client, url: str) -> None:
    """A source inside somebody's network fails the job, naming the address."""
    job_id = await client.publish({"id": str(uuid4()), "source": {"url": url}})
    event = await client.ended(job_id)
    assert event.happening is Happening.FAILED
    assert "SCRIBE_ALLOWED_NETWORKS" in event.body["error"]


async def test_an_unknown_option_is_rejected_by_name(client: Client) -> None:
    """A publisher learns which field is wrong."""
    job_id = await client.submit("sample.wav", colour="red")
    event = await client.ended(job_id)
    assert event.happening is Happening.REJECTED
    assert [error["field"] for error in event.body["errors"]] == ["colour"]


async def test_a_model_that_is_not_served_fails_its_job(client: Client) -> None:
    """The reason names the models that are."""
    job_id = await client.submit("sample.wav", model="no-such-model")
    event = await client.ended(job_id)
    assert event.happening is Happening.FAILED
    assert "base" in event.body["error"]


async def test_an_empty_upload_is_refused_at_the_gateway(client: Client) -> None:
    """A zero-byte file never becomes a job."""
    form = aiohttp.FormData()
    form.add_field("options", "{}")
    form.add_field("file", b"", filename="a.wav")
    async with client.http.post("/v1/jobs", data=form) as answer:
        assert answer.status == 422
        assert "empty" in await answer.text()


async def test_the_mesh_goes_on_after_all_that(client: Client) -> None:
    """A good recording is still transcribed."""
    job_id = await client.submit("sample.wav", language="en", diarize=False)
    assert (await client.ended(job_id)).happening is Happening.COMPLETED
