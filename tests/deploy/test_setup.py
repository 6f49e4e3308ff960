"""The script behind `make setup`, with stand-ins for Python and pip."""

import os
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
    program(programs / "python", "exit 0")
    program(programs / "pip", f'# {programs}/python\necho "$@" >> "{tmp_path}/pip.log"')
    return tmp_path


def program(file: Path, does: str) -> None:
    """Make a program of a line for the shell."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)


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


def test_in_a_copy_of_the_folder_the_environment_is_made_anew(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The copied programs name the original: they would run its code, and install into it."""
    assert installs(project, "local")
    copy, made = tmp_path_factory.mktemp("elsewhere") / "copy", project / "made.log"
    copytree(project, copy)
    program(project / "stand-ins/python3.11", f'echo "$@" >> "{made}"')
    environment = {"PATH": f"{project}/stand-ins:{os.environ['PATH']}"}
    for folder in (project, copy):
        subprocess.run([folder / "deploy/local/setup.sh", "local"], check=True, capture_output=True, env=environment)  # noqa: S603 - our own file
        assert ("-m venv --clear .venv" in made.read_text()) == (folder == copy)
