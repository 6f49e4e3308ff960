"""RabbitMQ's program: there, or installed from Debian, or one line that says what to type."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import child
from deploy.local.faults import CannotRun

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The program itself: the one on the PATH is Debian's wrapper, which wants root or the user rabbitmq."""

APT = "apt-get update && apt-get install -y --no-install-recommends rabbitmq-server"
POLICY = Path("/usr/sbin/policy-rc.d")
FORBIDDEN = "#!/bin/sh\nexit 101\n"
"""The answer by which Debian's scripts do not start an installed service (policy-rc.d's 'action forbidden')."""


async def rabbitmq_server(home: Path) -> Path:
    """Return RabbitMQ's program, installing it when root on Debian (log in `home`); raise CannotRun: what to type."""
    if not _there():
        await _install(home / "install.log")
    return SERVER


def _there() -> bool:
    return SERVER.exists()


async def _install(log: Path) -> None:
    if os.geteuid() or not shutil.which("apt-get"):
        raise CannotRun(
            "RabbitMQ is not installed; type: sudo apt-get install -y --no-install-recommends rabbitmq-server "
            "(or set SCRIBE_AMQP_URL to a broker that runs)"
        )
    print(f"RabbitMQ is not installed: installing Debian's rabbitmq-server (log: {log})", flush=True)  # noqa: T201 - the operator waits for minutes
    with _services_not_started():
        apt = await child.start(
            ["/bin/sh", "-c", APT], child.inherited({"DEBIAN_FRONTEND": "noninteractive"}), log.parent, log
        )
        code = await apt.wait()
    if code or not _there():
        raise CannotRun(f"RabbitMQ could not be installed; {log} ends:\n{child.tail(log)}\nby hand, type: {APT}")


@contextmanager
def _services_not_started() -> Iterator[None]:
    """Keep Debian from starting the service it installs; a policy of the machine's own stays as it is."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(FORBIDDEN)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
