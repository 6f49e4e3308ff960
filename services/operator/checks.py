"""What `scribe doctor` looks at: each check says what it found and, if that is wrong, what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import aiormq

from services.operator.models import needed, store
from services.operator.settings import OperatorSettings
from shared import cublas
from shared.blobs import ObjectStore
from shared.jobs.mongo import MongoStore, connect

SECONDS = 6.0
OLDEST_RABBITMQ = (3, 10)
START = "scribe up"


@dataclass(frozen=True)
class Finding:
    """One part's state; `advice` is what to do, None if nothing is wrong."""

    part: str
    state: str
    advice: str | None = None


Check = Callable[[OperatorSettings], Awaitable[Finding]]


async def broker(settings: OperatorSettings) -> Finding:
    """Connect to the broker and look at its version."""
    async with await aiormq.connect(settings.amqp_url) as connection:
        raw = connection.server_properties.get("version", b"")
    version = raw.decode() if isinstance(raw, bytes | bytearray) else str(raw)
    return Finding("broker", f"RabbitMQ {version}", _too_old(version))


def _too_old(version: str) -> str | None:
    numbers = tuple(int(word) for word in version.split(".")[:2] if word.isdigit())
    return None if numbers >= OLDEST_RABBITMQ else "install RabbitMQ 3.10 or newer"


async def database(settings: OperatorSettings) -> Finding:
    """Ask the database for an answer."""
    client = connect(settings.mongo_url)
    try:
        await MongoStore(client, settings.mongo_database).ping()
    finally:
        client.close()
    return Finding("database", "answers")


async def blobs(settings: OperatorSettings) -> Finding:
    """List the object store, and see whether a folder can be written in."""
    await ObjectStore(settings.blobs_url).ping()
    return Finding("object store", settings.blobs_url)


async def gateway(settings: OperatorSettings) -> Finding:
    """Ask the gateway how it is."""
    url = f"{settings.gateway_url}/health"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        if response.status != HTTPStatus.OK:
            return Finding("gateway", (await response.text())[:200], "look at its log for the part that fails")
    return Finding("gateway", settings.gateway_url)


async def models(settings: OperatorSettings) -> Finding:
    """Look for the models that a local mesh loads."""
    known = store(settings)
    missing = [name for name in needed(settings) if not known.have(name)]
    if missing:
        return Finding("models", f"missing: {', '.join(missing)}", "scribe models pull")
    return Finding("models", ", ".join(needed(settings)))


async def gpu(settings: OperatorSettings) -> Finding:
    """Compare what the two engines see: a GPU that only one of them can use is half a GPU."""
    del settings
    import ctranslate2  # noqa: PLC0415 - the two engines take seconds to import, which no other command should wait for
    import torch  # noqa: PLC0415 - as above

    whisper, pyannote = await asyncio.gather(
        asyncio.to_thread(ctranslate2.get_cuda_device_count), asyncio.to_thread(torch.cuda.device_count)
    )
    if not whisper and not pyannote:
        return Finding("GPU", "none; the processor does the work")
    if not pyannote:
        return Finding("GPU", "torch sees none", f"install a CUDA build of torch (this is {torch.__version__})")
    if not whisper:
        return Finding("GPU", "CTranslate2 sees none", "install an NVIDIA driver that knows CUDA 12")
    if missing := await asyncio.to_thread(cublas.load):
        return Finding("GPU", f"CTranslate2 cannot use it: {missing}", cublas.REMEDY)
    return Finding("GPU", f"{pyannote} x {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")


# Each check with the part it is about and what to do when the check itself fails.
CHECKS: tuple[tuple[str, Check, str], ...] = (
    ("broker", broker, f"{START} (or set SCRIBE_AMQP_URL)"),
    ("database", database, f"{START} (or set SCRIBE_MONGO_URL)"),
    (
        "object store",
        blobs,
        "set SCRIBE_BLOBS_URL to a store that this machine may list, and a folder that it may write in",
    ),
    ("gateway", gateway, f"{START} (or set SCRIBE_GATEWAY_URL)"),
    ("models", models, "scribe models pull"),
    ("GPU", gpu, "make setup"),
)


async def findings(settings: OperatorSettings, checks: tuple[tuple[str, Check, str], ...] = CHECKS) -> list[Finding]:
    """Return what every check found, in order; one that fails or takes too long is a finding too."""
    return list(await asyncio.gather(*(_found(settings, *each) for each in checks)))


async def _found(settings: OperatorSettings, part: str, check: Check, advice: str) -> Finding:
    try:
        async with asyncio.timeout(SECONDS):
            return await check(settings)
    except TimeoutError:
        return Finding(part, f"no answer within {SECONDS:.0f} s", advice)
    except Exception as problem:  # noqa: BLE001 - whatever is wrong with the part is what is shown
        return Finding(part, f"{type(problem).__name__}: {problem}".splitlines()[0][:120], advice)
