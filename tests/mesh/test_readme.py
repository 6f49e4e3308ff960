"""What the README shows runs as it is written there."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.mesh.conftest import Client

pytestmark = [pytest.mark.broker, pytest.mark.mesh, pytest.mark.timeout(600)]

README = Path(__file__).parents[2] / "README.md"
LINES = 12


async def test_the_script_of_twelve_lines_publishes_a_job_and_hears_of_its_end(client: Client, tmp_path: Path) -> None:
    """A publisher needs pika, two exchange names and nothing of ours."""
    (script,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(script.splitlines()) == LINES
    assert "shared" not in script
    file = tmp_path / "publish.py"
    file.write_text(script)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(file), client.mesh.amqp_url, f"{client.recordings}/sample.wav"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 240)
    assert process.returncode == 0
    assert out.decode().startswith("completed jobs/default/")
