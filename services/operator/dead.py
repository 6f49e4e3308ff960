"""Commands on dead letters: what was given up on, why, and another try."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from services.operator.failed import Failed
from services.operator.jobs import with_gateway
from services.operator.screen import Rows, screen
from services.operator.show import short
from shared.visible import visible

app = typer.Typer(help="Dead letters: list, show, replay, drop.", no_args_is_help=True)

SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Stage = Annotated[str | None, typer.Option(help="Only this stage's.")]
Reason = Annotated[str | None, typer.Option(help="Only those whose reason has this in it.")]
Tenant = Annotated[str | None, typer.Option(help="Only this tenant's.")]
Job = Annotated[str | None, typer.Option(help="Only this job's.")]
Letter = Annotated[str | None, typer.Option(help="Only this letter.")]
OlderThan = Annotated[str | None, typer.Option(help="Only those given up on so long ago: 90s, 10m, 2h, 3d.")]
Limit = Annotated[int, typer.Option(help="The oldest so many.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@app.command("list")
def show_all(
    stage: Stage = None,
    reason: Reason = None,
    tenant: Tenant = None,
    job: Job = None,
    older_than: OlderThan = None,
    limit: Limit = 100,
) -> None:
    """List dead letters, oldest first."""
    asked = _asked(stage=stage, reason=reason, tenant=tenant, job=job, older_than=older_than, limit=limit)
    table = Rows("letter", "when", "step", "attempts", "reason", whole=("letter",))
    for letter in with_gateway(lambda gateway: gateway.call("GET", "/v1/dead", asked)):
        why = letter["why"]
        table.add(why["letter"], short(why["at"]), _step(why), str(why["attempts"]), why["reason"])
    screen().print(table)


@app.command()
def show(letter: Annotated[str, typer.Argument(help="The letter's name, as `scribe dead list` prints it.")]) -> None:
    """Show a dead letter: its diagnosis, traceback included, and the exact message."""
    found = with_gateway(lambda gateway: gateway.call("GET", "/v1/dead", {"letter": letter}))
    if not found:
        raise Failed(f"there is no dead letter '{letter}'; it was replayed, dropped, or never there")
    traceback = found[0]["why"].pop("traceback", None)
    typer.echo(visible(json.dumps(found[0], indent=2, ensure_ascii=False)))
    typer.echo(visible(traceback or ""))


def _acting(what: str) -> Callable[..., None]:
    def act(  # noqa: PLR0913, PLR0917 - one for each flag of the command
        stage: Stage = None,
        reason: Reason = None,
        tenant: Tenant = None,
        job: Job = None,
        letter: Letter = None,
        older_than: OlderThan = None,
        limit: Limit = 100,
        dry_run: DryRun = False,
    ) -> None:
        named = {"stage": stage, "reason": reason, "tenant": tenant, "job": job, "letter": letter}
        _act(what, _asked(**named, older_than=older_than, limit=limit, dry_run=dry_run))

    return act


app.command("replay", help="Try again what was given up on, with the options of its job, once.")(_acting("replay"))
app.command("drop", help="Take dead letters out for good; their jobs stay as they are.")(_acting("drop"))


def _act(what: str, asked: dict[str, str]) -> None:
    table = Rows("letter", "step", "", whole=("letter",))
    for done in with_gateway(lambda gateway: gateway.call("POST", f"/v1/dead/{what}", asked)):
        table.add(done["letter"], _step(done), done["said"])
    screen().print(table)


def _step(about: dict[str, Any]) -> str:
    return about["stage"] if about["part"] is None else f"{about['stage']}-{about['part']}"


def _asked(*, older_than: str | None, **given: Any) -> dict[str, str]:
    seconds = {"older_than": _seconds(older_than)} if older_than is not None else {}
    return {name: str(value) for name, value in {**given, **seconds}.items() if value is not None}


def _seconds(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if unit not in SECONDS or not number.isdecimal():
        raise typer.BadParameter(f"'{text}' is no time such as 90s, 10m, 2h or 3d")
    return float(number) * SECONDS[unit]
