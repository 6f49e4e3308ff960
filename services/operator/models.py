"""Commands on models: what there is, and fetching it before it is needed."""

from typing import Annotated

import typer

from services.operator.failed import Failed
from services.operator.screen import Rows, screen
from services.operator.settings import OperatorSettings
from shared.models import REGISTRY, ModelStore, ModelUnavailable, NoSuchModel
from shared.settings import load

app = typer.Typer(help="Models: which there are, and fetching them.", no_args_is_help=True)


def needed(settings: OperatorSettings) -> tuple[str, ...]:
    """Return the models that a mesh on this machine loads."""
    return (settings.transcriber_model, *settings.diarizer_model.split("+"))


def store(settings: OperatorSettings) -> ModelStore:
    """Return this machine's models."""
    return ModelStore(settings.models_cache, settings.models_folder)


@app.command("list")
def show() -> None:
    """Show every model the registry knows, and which are on this machine."""
    known = store(load(OperatorSettings))
    table = Rows("model", "kind", "here", "licence")
    for spec in REGISTRY.values():
        table.add(spec.name, spec.kind or "", "yes" if known.have(spec.name) else "no", spec.licence)
    screen().print(table)


@app.command()
def pull(
    name: Annotated[str | None, typer.Argument(help="A model; all that a local mesh needs if not given.")] = None,
) -> None:
    """Fetch a model into the cache, or every model that a local mesh needs."""
    settings = load(OperatorSettings)
    for each in (name,) if name else needed(settings):
        fetch(settings, each)


def fetch(settings: OperatorSettings, name: str) -> None:
    """Fetch one model and say where it lies; raise Failed if it is not known or cannot be had."""
    models = store(settings)
    try:
        if not models.have(name):
            typer.echo(f"fetching model {name} ...")
        typer.echo(f"model {name}: {models.fetch(name)}")
    except (NoSuchModel, ModelUnavailable) as missing:
        raise Failed(str(missing)) from missing
