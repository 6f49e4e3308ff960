"""The faults, one small function each; every one leaves the mesh to recover by itself."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.topology import Stage
from tests.chaos.campaign import Campaign, until

BACK_SECONDS = 30.0


async def kill_a_service(campaign: Campaign) -> None:
    """Kill -9 a random service process; the runner starts it again."""
    running = campaign.pids()
    if running:
        campaign.kill(campaign.random.choice(running))


async def crash_the_broker(campaign: Campaign) -> None:
    """Kill -9 the broker and start it on the same disk; return when every work queue is consumed again."""
    await campaign.broker.kill()
    await campaign.broker.start()
    await until(lambda: _consumed(campaign), BACK_SECONDS, "consumers are back on every queue")


async def _consumed(campaign: Campaign) -> bool:
    return all((await campaign.consumers()).values())


async def close_a_connection(campaign: Campaign) -> None:
    """Let the broker close one of the services' connections, whatever it carries."""
    said = (await campaign.broker.control("list_connections", "pid", "client_properties")).splitlines()
    services = [line.split("\t")[0] for line in said if "python" in line or "scribe" in line]
    if services:
        await campaign.broker.control("close_connection", campaign.random.choice(services), "chaos")


async def disturb_the_network(campaign: Campaign) -> None:
    """Make the way to broker or database slow, cut it, or let it die without a word, for a while or for good."""
    proxy = campaign.random.choice([campaign.to_broker, campaign.to_database])
    match campaign.random.choice(["delay", "reset", "half-open", "stranded"]):
        case "delay":
            proxy.delay = 0.1
        case "reset":
            proxy.reset()
        case "half-open":
            proxy.half_open()
        case "stranded":
            proxy.strand()  # nothing heals these: the services themselves must find out
    await asyncio.sleep(2.0)
    proxy.heal()


async def wipe_the_broker(campaign: Campaign) -> None:
    """Lose every queue and every message, but for the database."""
    await campaign.broker.kill()
    await campaign.broker.wipe()
    await campaign.broker.start()
    await campaign.shorten_ladder()


@asynccontextmanager
async def memory_alarm(campaign: Campaign) -> AsyncIterator[None]:
    """Make the broker believe that it has no memory left, inside the block."""
    await campaign.broker.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        yield
    finally:
        await campaign.broker.control("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def full_disk(campaign: Campaign, stage: Stage) -> AsyncIterator[None]:
    """Let a stage's processes write no file longer than a few bytes, inside the block."""
    pids = campaign.pids(stage)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for pid in set(pids) & set(campaign.pids(stage)):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@asynccontextmanager
async def full_queues(campaign: Campaign) -> AsyncIterator[None]:
    """Let the work queues hold one message each, inside the block: the broker refuses every other."""
    limit = '{"max-length":1,"overflow":"reject-publish"}'
    await campaign.broker.control("set_policy", "chaos-full", r"^scribe\.work\.", limit, "--priority", "9")
    try:
        yield
    finally:
        await campaign.broker.control("clear_policy", "chaos-full")
