"""RabbitMQ's installation, with a stand-in for apt-get's command."""

import os
import shutil
from pathlib import Path

import pytest

from deploy.local import install
from deploy.local.faults import CannotRun


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this machine look like one of Debian's without RabbitMQ, to root; return the folder it is seen in."""
    monkeypatch.setattr(install, "SERVER", tmp_path / "rabbitmq-server")
    monkeypatch.setattr(install, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


async def test_whoever_is_not_root_is_told_what_to_type(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, with the command and the way around it."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CannotRun) as told:
        await install.rabbitmq_server(bare)
    assert "sudo apt-get install" in str(told.value)
    assert "SCRIBE_AMQP_URL" in str(told.value)
    assert "\n" not in str(told.value)


async def test_debian_does_not_start_the_service_it_installs(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy stands while apt-get runs, and is gone afterwards."""
    monkeypatch.setattr(install, "APT", f"cp {bare}/policy-rc.d {bare}/rabbitmq-server")
    program = await install.rabbitmq_server(bare)
    assert program.read_text() == "#!/bin/sh\nexit 101\n"
    assert not (bare / "policy-rc.d").exists()


async def test_a_policy_of_the_machines_own_stays(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers have one."""
    (bare / "policy-rc.d").write_text("its own")
    monkeypatch.setattr(install, "APT", f"touch {bare}/rabbitmq-server")
    await install.rabbitmq_server(bare)
    assert (bare / "policy-rc.d").read_text() == "its own"


async def test_a_failed_installation_shows_its_last_lines(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what to type by hand."""
    monkeypatch.setattr(install, "APT", "echo no such package; exit 100")
    with pytest.raises(CannotRun, match=r"(?s)no such package.*by hand, type: echo"):
        await install.rabbitmq_server(bare)
    assert not (bare / "policy-rc.d").exists()
