"""The script behind `make setup`, with stand-ins for Python and pip."""

import subprocess
from pathlib import Path
from shutil import copytree

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project whose environment is there; its pip writes each call down as a line of `pip.log`."""
    copytree(ROOT / "deploy" / "local", tmp_path / "deploy" / "local", ignore=lambda *_: ["__pycache__"])
    write(tmp_path, "1.0")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, does in (("python", "exit 0"), ("pip", f'echo "$@" >> "{tmp_path}/pip.log"')):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    return tmp_path


def write(project: Path, version: str) -> None:
    """Have the project pin a version."""
    (project / "pyproject.toml").write_text(f'dependencies = [\n    "torch==2",\n    "ours=={version}",\n]\n')


def installs(project: Path, extras: str) -> bool:
    """Whether the script, asked for the extras, has pip install the project."""
    log = project / "pip.log"
    log.write_text("")
    subprocess.run([project / "deploy/local/setup.sh", extras], check=True, capture_output=True)  # noqa: S603 - our own file
    return f"-e .[{extras}]" in log.read_text()


def test_what_is_installed_already_is_not_installed_again(project: Path) -> None:
    """Nor is a part of it; more than that is."""
    asked = ("local", "local", "local,dev", "local", "local,dev")
    assert [installs(project, extras) for extras in asked] == [True, False, True, False, False]


def test_going_back_to_an_older_version_installs_what_that_pins(project: Path) -> None:
    """The environment still holds the newer one's packages, though the older one was installed in it before."""
    installed = list[bool]()
    for version in ("1.0", "2.0", "1.0"):
        write(project, version)
        installed.append(installs(project, "local"))
    assert installed == [True, True, True]
