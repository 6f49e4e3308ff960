"""Following a job to its end."""

from rich.console import Console

from services.operator.bars import Bars
from services.operator.failed import Failed
from services.operator.gateway import Gateway
from services.operator.sse import Said
from shared.topology import Happening

LAST = {Happening.COMPLETED, Happening.FAILED, Happening.CANCELLED, Happening.REJECTED}


async def follow(gateway: Gateway, job: str, console: Console) -> Said:
    """Show the job's bars until it has ended and return the event that ended it.

    Raises Failed if the job did not complete, or if the stream of its events broke off.
    """
    last: Said = {}
    with Bars(console) as bars:
        async for event in gateway.events(job):
            bars.tell(event)
            last = event
    return _ended(job, last)


def _ended(job: str, last: Said) -> Said:
    happening = last.get("happening")
    if happening not in LAST:
        raise Failed(f"the gateway's events of job {job} broke off before its end; type: scribe watch {job}")
    if happening != Happening.COMPLETED:
        raise Failed(f"job {job} {happening}: {last.get('error') or last.get('errors') or 'no reason was given'}")
    return last
