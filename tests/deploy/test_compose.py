"""The compose files against the Compose Specification, the topology, the image and the services' settings."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import yaml
from aio_pika.exceptions import ProbableAuthenticationError
from dotenv import dotenv_values
from jsonschema import Draft202012Validator

from deploy.local import rabbitmq
from deploy.local.child import free_port
from deploy.local.commands import GATEWAY, SERVICES
from deploy.local.rabbitmq import Broker
from shared.mesh.health import Health
from shared.settings import PREFIX, Settings, load
from shared.topology import Stage

ROOT = Path(__file__).parents[2]
COMPOSE, GPU = ROOT / "docker-compose.yml", ROOT / "deploy/compose.gpu.yml"
DOCKERFILE = ROOT / "deploy/Dockerfile"
EXAMPLE = ROOT / ".env.example"
OURS = {*map(str, Stage), GATEWAY}
PARTS = {"rabbitmq", "mongodb"}
REQUIRED = re.compile(r"\$\{(\w+)(?::\?[^}]*)?\}")
MADE = re.compile(r"^# \$ (.+)\n(\w+)=$", re.MULTILINE)


def read(file: Path) -> dict[str, Any]:
    """Return a compose file's content, anchors and merges resolved."""
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    return content


@pytest.fixture(scope="module")
def blocks() -> dict[str, dict[str, Any]]:
    """Return the blocks of the mesh's compose file, by name."""
    return dict(read(COMPOSE)["services"])


@pytest.fixture(scope="module")
def dotenv() -> dict[str, str]:
    """Return what .env holds when each name of the example got what the command above it prints."""
    lines = (f"{name}={printed(command)}" for command, name in MADE.findall(EXAMPLE.read_text()))
    return {name: str(value) for name, value in dotenv_values(stream=StringIO("\n".join(lines))).items()}


def printed(command: str) -> str:
    """Return what a shell command prints."""
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)  # noqa: S603 - from our own file
    return done.stdout.strip()


def filled(text: str, dotenv: Mapping[str, str]) -> str:
    """Return the text with each `${NAME}` and `${NAME:?why}` replaced, as compose does it."""
    return REQUIRED.sub(lambda found: dotenv[found[1]], text)


def settings_of(name: str) -> type[Settings]:
    """Return the one class of settings that a service has."""
    found = vars(import_module(f"services.{name}.settings")).values()
    [kind] = [each for each in found if isinstance(each, type) and issubclass(each, Settings) and each is not Settings]
    return kind


def test_what_the_readme_says_matters_first_reaches_the_containers(blocks: dict[str, dict[str, Any]]) -> None:
    """A variable in .env that no block names would do nothing; two are for the `scribe` command outside of it."""
    table = (ROOT / "README.md").read_text().split("| variable |")[1].split("\n\n")[0]
    named = set(re.findall(r"`(SCRIBE_[A-Z_]+|HF_TOKEN)`", table)) - {"SCRIBE_GATEWAY_URL", "SCRIBE_TOKEN"}
    assert named - {name for block in blocks.values() for name in block.get("environment", {})} == set()
    assert len(named) > 20


def arguments(file: Path) -> Iterator[str]:
    """Yield the name of every build argument that a compose file gives."""
    for block in read(file)["services"].values():
        yield from block.get("build", {}).get("args", {})


@pytest.mark.parametrize("file", [COMPOSE, GPU], ids=lambda file: file.name)
def test_a_compose_file_follows_the_specification(file: Path) -> None:
    """The specification's own JSON schema finds nothing wrong, and would: a misspelt word is refused."""
    schema = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    validator = Draft202012Validator(json.loads(schema.read_text()))
    content = read(file)
    assert not [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)]
    assert not validator.is_valid(content | {"services": {"one": {"imgae": "x"}}})


def test_every_stage_has_one_block_and_no_block_is_anything_else(blocks: dict[str, dict[str, Any]]) -> None:
    """Besides the stages there are the gateway, the broker and the database; a GPU is given to stages."""
    assert set(blocks) == OURS | PARTS
    assert set(read(GPU)["services"]) < OURS


def test_every_block_builds_the_service_it_is_named_after(blocks: dict[str, dict[str, Any]]) -> None:
    """The image's argument says so, and the service's module can be wired."""
    for name in OURS:
        build = blocks[name]["build"]
        assert build["args"] == {"SERVICE": name}
        assert ROOT / build["context"] / build["dockerfile"] == DOCKERFILE
        assert callable(import_module(f"services.{name}.main").build)


def test_the_image_knows_every_argument_it_is_built_with() -> None:
    """An argument that the Dockerfile does not declare would be ignored in silence."""
    known = set(re.findall(r"^ARG (\w+)", DOCKERFILE.read_text(), re.MULTILINE))
    assert {*arguments(COMPOSE), *arguments(GPU)} == known


def test_the_image_takes_in_what_is_copied_into_it() -> None:
    """Every source of a COPY is excepted from .dockerignore, which leaves out all else."""
    lines = re.findall(r"^COPY (.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    copied = {source for line in lines for source in line.split()}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert "*" in ignored


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_image_starts_a_service_as_the_local_runner_does(name: str, tmp_path: Path) -> None:
    """With stand-ins for the two programs, the start script runs the same application."""
    for program in ("faststream", "uvicorn"):
        stand_in = tmp_path / program
        stand_in.write_text(f'#!/bin/sh\necho {program} "$@"\n')
        stand_in.chmod(0o755)
    start = re.findall(r'^CMD \["/srv/scribe/(.+)"\]$', DOCKERFILE.read_text(), re.MULTILINE)
    environment = {"SERVICE": name, "PATH": str(tmp_path)}
    done = subprocess.run([ROOT / start[0]], env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own file
    words, said = SERVICES[name][2:], done.stdout.split()
    application = words[: words.index("--factory") + 1]
    assert tuple(said[: len(application)]) == application
    for each in (words, said):
        assert (name == "gateway") == ("--timeout-keep-alive 75" in " ".join(each))


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_is_given_its_own_settings_and_no_others(
    name: str, blocks: dict[str, dict[str, Any]], dotenv: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variable is a field of its settings, and they load: every required one is there and fits."""
    kind = settings_of(name)
    ours = {key: value for key, value in blocks[name]["environment"].items() if key.startswith(PREFIX)}
    assert {key.removeprefix(PREFIX).lower() for key in ours} <= set(kind.model_fields)
    for field in kind.model_fields:
        monkeypatch.delenv(f"{PREFIX}{field.upper()}", raising=False)
    for key, value in ours.items():
        if value is not None:
            monkeypatch.setenv(key, filled(str(value), dotenv))
    settings = load(kind)
    assert str(settings.blobs_url) == f"file://{blocks[name]['volumes'][0].partition(':')[2]}"


def test_the_example_names_exactly_what_compose_asks_for(dotenv: dict[str, str]) -> None:
    """No name is missing, none is there for nothing, and every one has a command that makes its value."""
    names = re.findall(r"^(\w+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert set(names) == {found[1] for found in REQUIRED.finditer(COMPOSE.read_text())}
    assert all(dotenv[name] for name in names)


def test_a_service_is_given_the_time_its_drain_may_take(blocks: dict[str, dict[str, Any]]) -> None:
    """A drain waits once for the steps to end and once for them to stop; then things are closed."""
    for name in OURS:
        grace = blocks[name]["environment"]["SCRIBE_GRACE"]
        assert int(blocks[name]["stop_grace_period"].removesuffix("s")) >= 2 * grace + 15


def test_a_volume_lies_where_the_image_made_a_folder_for_its_user(blocks: dict[str, dict[str, Any]]) -> None:
    """A new volume takes its owner from there; anywhere else it would be root's, and no service could write."""
    targets = {mount.rpartition(":")[2] for name in OURS for mount in blocks[name]["volumes"]}
    made = re.findall(r"mkdir -p (.+) \\$", DOCKERFILE.read_text(), re.MULTILINE)
    assert targets == set(made[0].split())


def test_nothing_listens_beyond_this_machine(blocks: dict[str, dict[str, Any]]) -> None:
    """Every published port is the loopback's, and the gateway's is 8000."""
    published = [port for block in blocks.values() for port in block.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert blocks[GATEWAY]["ports"] == ["127.0.0.1:8000:8000"]


@pytest.mark.parametrize("name", sorted(OURS))
async def test_the_health_check_tells_a_live_service_from_a_dead_one(
    name: str, blocks: dict[str, dict[str, Any]]
) -> None:
    """The command asks the port that the service is told to answer on."""
    block, port = blocks[name], free_port()
    kind, program, *words = block["healthcheck"]["test"]
    asked = f":{block['environment']['SCRIBE_HEALTH_PORT']}/"
    assert (kind, program) == ("CMD", "python")
    assert asked in words[-1]
    command = [sys.executable, *words[:-1], words[-1].replace(asked, f":{port}/")]
    assert await ended(command) != 0
    health = Health("127.0.0.1", port, {})
    await health.open()
    try:
        assert await ended(command) == 0
    finally:
        await health.close()


async def ended(command: list[str]) -> int:
    """Return the exit status of a command."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


@pytest.mark.broker
async def test_the_brokers_user_comes_with_its_definitions_and_there_is_no_guest(
    dotenv: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real broker that loads them lets the user in with the password, and nobody else."""
    definitions = json.loads(filled(read(COMPOSE)["configs"]["rabbitmq-user"]["content"], dotenv))
    monkeypatch.setattr(rabbitmq, "_definitions", lambda: definitions)
    broker = Broker(tmp_path)
    user = "{RABBITMQ_USER}:{RABBITMQ_PASSWORD}@".format(**dotenv)
    await broker.start()
    try:
        async with await aio_pika.connect(broker.url.replace("guest:guest@", user)) as connection:
            await (await connection.channel()).declare_queue("mine", exclusive=True)
        with pytest.raises(ProbableAuthenticationError):
            await aio_pika.connect(broker.url)
    finally:
        await broker.stop()
