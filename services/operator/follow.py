"""Following a job to its end."""

from rich.console import Console

from services.operator.bars import Bars
from services.operator.failed import Failed
from services.operator.gateway import Gateway
from services.operator.sse import EventData
from shared.jobs.states import TERMINAL, JobState

LAGGING = "lagging"
"""The gateway's last event for a listener that fell behind: listening again brings a new snapshot."""


async def follow(gateway: Gateway, job: str, console: Console) -> None:
    """Show the job's bars and return when it is completed.

    Raises Failed if it ends in any other way, or if the stream of its events breaks off.
    """
    with Bars(console) as bars:
        last: EventData = {"happening": LAGGING}
        while last["happening"] == LAGGING:
            async for last in gateway.events(job):
                bars.tell(last)
    _check(job, last)


def _check(job: str, last: EventData) -> None:
    state = last["happening"]
    if state not in TERMINAL:
        raise Failed(f"the gateway's events of job {job} broke off before its end; type: scribe watch {job}")
    if state != JobState.COMPLETED:
        raise Failed(f"job {job} {state}: {last.get('error') or 'no reason was given'}")
