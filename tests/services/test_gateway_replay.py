"""Replaying a dead letter through the gateway: what is done again leaves the document, but not the history."""

from services.gateway.dead_letter_office import DeadLetterOffice
from shared.mesh.outcomes import GiveUp
from shared.topology import Stage
from tests.fakes.bench import Bench, failing, usual
from tests.fakes.jobs import WINDOW


async def test_what_a_replay_does_again_stays_in_the_history() -> None:
    """The first enhancement was committed and so was written nowhere; once it is undone, it is."""
    bench = Bench()
    await bench.run(bench.first[0], usual)
    dead = bench.step(Stage.DIARIZER)
    await bench.run(dead, failing(GiveUp("no voices")))
    await bench.through(*(bench.step(Stage.TRANSCRIBER, part) for part in range(3)))
    office = DeadLetterOffice(None, bench.store, bench.post, WINDOW)  # type: ignore[arg-type]  # no letter is read here
    assert await office._step_again(dead) == "replayed"
    await bench.through(dead)
    enhanced = [entry for entry in await bench.store.history(bench.id) if entry.stage is Stage.ENHANCER]
    assert [(entry.what, entry.attempt) for entry in enhanced] == [("done", 1), ("done", 2)]
