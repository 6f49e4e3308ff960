"""Downloaders that announce chunks, transcribers that say what they are told, and what comes of them."""

from collections.abc import Sequence

from shared.jobs.states import StepState
from shared.jobs.step import Step
from shared.mesh.perform import Do
from shared.mesh.work import Work
from shared.topology import Stage
from shared.transcript import ChunkText, Cut, Output
from tests.fakes.bench import Bench, announce, usual
from tests.fakes.jobs import chunk_text, cut

DIGESTS = ("a", "b", "c")
CHANGED = ("a", "x", "y")


def announcing(output: Output | Exception, *parts: Sequence[str]) -> Do:
    """Return a downloader that announces chunks by their digests, and then makes the output or fails."""

    async def do(work: Work) -> Output:
        for digests in parts:
            await announce(work, cut(*digests))
        if isinstance(output, Exception):
            raise output
        return output

    return do


def saying(text: str) -> Do:
    """Return a transcriber that hears the same in each chunk."""

    async def do(work: Work) -> Output:
        assert work.step.part < len(work.outputs(Cut)[0].chunks)
        return chunk_text(work.step.part, text)

    return do


def transcribers(bench: Bench) -> dict[int, StepState]:
    """Return where the job's chunks are."""
    steps = {Step.of(bench.id, key): record.state for key, record in bench.job.steps.items()}
    return {step.part: state for step, state in sorted(steps.items()) if step.stage is Stage.TRANSCRIBER}


async def texts(bench: Bench) -> list[str]:
    """Return what was heard in the chunks that count."""
    made = (await bench.store.outputs(bench.job, [Stage.TRANSCRIBER]))[Stage.TRANSCRIBER]
    return [text.segments[0].text for text in made if isinstance(text, ChunkText)]


async def finish(bench: Bench, text: str) -> None:
    """Run all steps that are asked for to the job's end."""
    while bench.post.steps:
        step = bench.post.steps.pop(0)
        await bench.run(step, saying(text) if step.stage is Stage.TRANSCRIBER else usual)
