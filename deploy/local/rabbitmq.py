"""A private RabbitMQ node: own name, ports, data, cookie and port mapper, all on the loopback.

It runs Debian's server program directly, so it works as root and as anyone else, and neither touches nor reads what the
machine's own broker has under /var and /etc. The port mapper (epmd) is a child too, because the one that Erlang starts
by itself outlives the node.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import shutil
from asyncio.subprocess import Process
from pathlib import Path

from deploy.local import child
from deploy.local.child import LOOPBACK, free_port
from deploy.local.faults import CannotRun
from deploy.local.install import rabbitmq_server
from deploy.local.readiness import readiness
from deploy.local.secret import keep

SHIPPED = Path(__file__).parent.parent / "rabbitmq"
NODE = f"scribe@{LOOPBACK}"
USER = "guest"
DEFINITIONS = "definitions.json"
START_SECONDS = 120.0
STOP_SECONDS = 30.0


class Broker:
    """The node whose files lie under `home`. Its ports stay the same from its making on, over every restart."""

    def __init__(self, home: Path, port: int | None = None) -> None:
        self._home = home
        self.port = port or free_port()
        self._distribution = free_port()
        self._mapper_port = free_port()
        self._mapper: Process | None = None
        self._node: Process | None = None
        self.url = f"amqp://{USER}:{USER}@{LOOPBACK}:{self.port}/"

    @property
    def pid(self) -> int | None:
        """The process id of the Erlang machine that is the broker, or None before the start."""
        return self._node.pid if self._node else None

    async def start(self) -> None:
        """Start the node, also after it was stopped or killed, and return when it takes connections.

        Raises CannotRun if it is not installed and cannot be, if its port is taken, if it ends, or if it is not ready
        within two minutes.
        """
        child.require_free(self.port, "RabbitMQ")
        self._furnish()
        server = await rabbitmq_server(self._home)
        if self._mapper is None:
            epmd = shutil.which("epmd") or "epmd"
            mapper = [epmd, "-port", str(self._mapper_port), "-address", LOOPBACK]
            self._mapper = await child.start(mapper, child.inherited({}), self._home, self._home / "epmd.log")
        # Besides telling when it is ready, the socket makes the script become the node: the pid is the node's.
        with readiness() as ready:
            environment = {**self._environment(), "NOTIFY_SOCKET": str(ready.path)}
            alone = self._home / "node.lock"
            self._node = await child.start([str(server)], environment, self._home, self._log, alone)
            if await child.ready_first(ready.heard(), self._node, START_SECONDS):
                return
        await self.stop()
        raise CannotRun(f"RabbitMQ did not start; its log is {self._log} and ends:\n{child.tail(self._log)}")

    async def stop(self) -> None:
        """Stop the node in order, then the port mapper; nothing of Erlang stays."""
        for process, grace in ((self._node, STOP_SECONDS), (self._mapper, 1.0)):
            if process is not None:
                await child.stop(process, grace)
        self._mapper = None

    async def kill(self) -> None:
        """End it as a crash would, and return when it is gone; `start` brings it back."""
        if self._node is not None:
            self._node.kill()
            await self._node.wait()

    async def ended(self) -> None:
        """Raise CannotRun, with the log's last lines, once the node that was started has ended."""
        if self._node is not None:
            await self._node.wait()
        raise CannotRun(f"RabbitMQ ended by itself; its log is {self._log} and ends:\n{child.tail(self._log)}")

    async def control(self, *words: str) -> str:
        """Return what `rabbitmqctl` says to the words; raise CannotRun with its complaint."""
        program = (await rabbitmq_server(self._home)).with_name("rabbitmqctl")
        told = await child.start([str(program), "-q", *words], self._environment(), self._home)
        assert told.stdout is not None  # noqa: S101 - it was started without a log file
        said = (await told.stdout.read()).decode()
        if await told.wait():
            raise CannotRun(f"rabbitmqctl {' '.join(words)}: {said}")
        return said

    async def wipe(self) -> None:
        """Lose everything the stopped node had on its disk: queues, messages, policies."""
        await asyncio.to_thread(shutil.rmtree, self._home / "data")

    @property
    def _log(self) -> Path:
        return self._home / "broker.log"

    def _furnish(self) -> None:
        """Write what the node reads at its start: cookie, configuration, definitions."""
        self._home.mkdir(parents=True, exist_ok=True)
        cookie = self._home / ".erlang.cookie"
        if not cookie.exists():
            keep(cookie, secrets.token_hex(20))
        (self._home / DEFINITIONS).write_text(json.dumps(_definitions()))
        shipped = (SHIPPED / "rabbitmq.conf").read_text()
        # By its name, in the folder that the node runs in: a path may not go beyond Latin-1, and `#` begins a comment.
        own = f"listeners.tcp.1 = {LOOPBACK}:{self.port}\nload_definitions = {DEFINITIONS}\n"
        (self._home / "rabbitmq.conf").write_text(f"{shipped}\n{own}")

    def _environment(self) -> dict[str, str]:
        home = self._home
        # A broker of the machine's own, perhaps one of a cluster, is told by such variables what it is.
        ours = {name: value for name, value in child.inherited({}).items() if not name.startswith("RABBITMQ_")}
        return ours | {
            "HOME": str(home),  # where Erlang looks for the cookie
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_USE_LONGNAME": "true",  # an address for a host: no name need resolve
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),  # none: not the machine's own under /etc
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(home / "conf.d"),  # none, as above
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),  # none, as above
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),  # none: no plugin, no web server
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
        }


def _definitions() -> dict[str, object]:
    """Return the shipped definitions with the default user: a node that loads any makes none by itself."""
    salt = secrets.token_bytes(4)
    # RabbitMQ's own format: salt, then SHA-256 of salt and password (https://www.rabbitmq.com/docs/passwords).
    hashed = base64.b64encode(salt + hashlib.sha256(salt + USER.encode()).digest()).decode()
    algorithm = "rabbit_password_hashing_sha256"
    user = {"name": USER, "password_hash": hashed, "hashing_algorithm": algorithm, "tags": "administrator"}
    allowed = {"user": USER, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
    shipped = json.loads((SHIPPED / "definitions.json").read_text())
    return {**shipped, "users": [user], "permissions": [allowed]}
