"""The demonstration: a whole mesh from nothing, one recording through it, its transcript on the screen."""

import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.operator.failed import Failed
from services.operator.follow import follow
from services.operator.gateway import Gateway
from services.operator.jobs import located
from services.operator.models import fetch, needed
from services.operator.screen import screen
from services.operator.settings import HOME, OperatorSettings
from services.operator.up import Home, logged_mesh, run
from shared.settings import load
from shared.transcript import Form, Transcript


@dataclass(frozen=True)
class Result:
    """What the demonstration made: the transcript in each form, and the seconds that the start and the job took."""

    texts: dict[Form, str]
    start: float
    job: float


def demo(
    audio: Annotated[Path | None, typer.Argument(help="A recording; a sample of two speakers if not given.")] = None,
    home: Home = HOME,
    install_seconds: Annotated[float | None, typer.Option(hidden=True)] = None,
) -> None:
    """Start everything, transcribe a recording, show the transcript, stop everything."""
    console = screen()
    recording = Path(located(str(audio or sample())))
    settings = load(OperatorSettings)
    for name in needed(settings):
        fetch(settings, name)
    (home / "out").mkdir(parents=True, exist_ok=True)
    result = run(_demo(home, settings, recording, console))
    show(console, result.texts[Form.JSON])
    for form, text in result.texts.items():
        path = home / "out" / f"{recording.stem}.{form}"
        path.write_text(text, "utf-8")
        console.print(f"{form.upper():<5}{path}")
    install = "" if install_seconds is None else f"install {install_seconds:.0f} s, "
    console.print(f"{install}start {result.start:.1f} s, job {result.job:.1f} s", style="bold")


def sample() -> Path:
    """Return the recording that pyannote.audio ships: 30 s of two speakers."""
    package = find_spec("pyannote.audio")
    if package is None or package.origin is None:
        raise Failed("pyannote.audio is not installed; type: make setup")
    return Path(package.origin).parent / "sample" / "sample.wav"


async def _demo(home: Path, settings: OperatorSettings, recording: Path, console: Console) -> Result:
    began = time.monotonic()
    console.print("starting the broker, the database and every service ...")
    async with (
        logged_mesh(home, home / "demo.log") as url,
        Gateway.of(settings.model_copy(update={"gateway_url": url})) as gateway,
    ):
        ready = time.monotonic()
        job = await gateway.upload(recording, {})
        console.print(f"job {job}: {recording.name}")
        await follow(gateway, job, console)
        ended = time.monotonic()
        texts = {form: await gateway.transcript(job, form) for form in Form}
    return Result(texts, ready - began, ended - ready)


def show(console: Console, transcript: str) -> None:
    """Print the transcript's paragraphs with their times and speakers, and its warnings."""
    said = Transcript.model_validate_json(transcript)
    for each in said.paragraphs:
        console.print(f"[{clock(each.start)} - {clock(each.end)}] {each.speaker or ''}: {each.text}")
    for warning in said.warnings:
        console.print(f"warning: {warning}", style="yellow")


def clock(seconds: float) -> str:
    """Return seconds as minutes:seconds.tenths, with hours in front if there are any."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
