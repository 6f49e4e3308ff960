"""How many cores a process may keep busy: those it may run on, or fewer where a cgroup has a quota of time on them.

joblib counts much the same, but looks only at the topmost cgroup that it sees, which is the process's own in a
container but not in a system's service, and a variable of the environment may change what it says.
"""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path, PurePosixPath

NO_QUOTA = {"max", "-1"}
"""What version 2 and version 1 of cgroups say of a group that has none."""


def cores(root: Path = Path("/")) -> int:
    """Return how many cores this process may keep busy, at least one: a part of a core's time counts as a core.

    The least quota holds of those on the process's own cgroup and on all above it. `root` is where /proc and /sys lie.
    """
    return min([len(os.sched_getaffinity(0)), *(ceil(quota / period) for quota, period in _quotas(root))])


def _quotas(root: Path) -> Iterator[tuple[int, int]]:
    """Yield the quotas that there are, each as microseconds of a core out of so many.

    Source: the Linux kernel's Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst.
    """
    for folder in _folders(root):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
            if (folder / names[0]).is_file():
                quota, period = " ".join((folder / name).read_text() for name in names).split()
                if quota not in NO_QUOTA:
                    yield int(quota), int(period)


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folders of the cgroups that may have a quota: the process's own and all above, up to where it ends.

    In a container the path may be the host's, of which only the end of the way up is there.
    """
    listed = root / "proc/self/cgroup"
    for line in listed.read_text().splitlines() if listed.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            own = PurePosixPath(path).relative_to("/")
            yield from (top / group for group in (own, *own.parents))
