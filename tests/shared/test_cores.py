"""How many cores a process may keep busy, with the kernel's files laid out as it lays them out."""

import os
from pathlib import Path

import pytest

from shared.cores import cores

PODS = "kubepods/pod7/one"


def laid(root: Path, files: dict[str, str]) -> Path:
    """Return the root of a system with these files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{content}\n")
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/"}, 8),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, 8),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "250000 100000"}, 3),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "10000 100000"}, 1),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "1600000 100000"}, 8),
        ({"proc/self/cgroup": "0::/../other", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2),
    ],
)
def test_a_containers_quota_is_so_many_cores(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounded up, at least one, and never more than the process may run on."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert cores(laid(tmp_path, files)) == expected


@pytest.mark.parametrize("least", [PODS, "kubepods/pod7", "kubepods"])
def test_the_least_quota_on_the_way_up_holds(least: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group's quota holds for all below it, however large theirs are; a group beside them says nothing."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    ways = {f"sys/fs/cgroup/{way}/cpu.max": "500000 100000" for way in (PODS, "kubepods/pod7", "kubepods")}
    beside = {"sys/fs/cgroup/kubepods/pod8/cpu.max": "100000 100000"}
    quota = {f"sys/fs/cgroup/{least}/cpu.max": "300000 100000"}
    assert cores(laid(tmp_path, {"proc/self/cgroup": f"0::/{PODS}", **ways, **beside, **quota})) == 3


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("150000", 2)])
@pytest.mark.parametrize("folder", ["", "docker/one"])
def test_the_first_version_of_cgroups_keeps_quota_and_period_apart(
    folder: str, quota: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the group's own folder on the host, and where the controller is mounted inside a container."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    listed = "5:memory:/docker/one\n4:cpu,cpuacct:/docker/one\n1:name=systemd:/docker/one\n0::/docker/one"
    own = f"sys/fs/cgroup/cpu/{folder}"
    files = {"proc/self/cgroup": listed, f"{own}/cpu.cfs_quota_us": quota, f"{own}/cpu.cfs_period_us": "100000"}
    assert cores(laid(tmp_path, files)) == expected


def test_this_system_says_how_many() -> None:
    """The kernel's own files can be read."""
    assert 1 <= cores() <= len(os.sched_getaffinity(0))
