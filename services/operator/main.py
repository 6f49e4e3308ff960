"""Wires the `scribe` command: each subcommand is a function of its own module."""

import sys

import typer

from services.operator import dead, demo, doctor, jobs, models, show, up
from services.operator.failed import Failed
from shared.visible import visible

INTERRUPTED = 130
"""The exit status that shells give to what Ctrl-C ended."""


def build() -> typer.Typer:
    """Return the command with all its subcommands."""
    app = typer.Typer(
        help="Scribe Mesh on one machine, and its jobs.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    own = (jobs.submit, jobs.watch, jobs.transcript, jobs.cancel, show.show)
    for command in (up.up, *own, doctor.doctor, demo.demo):
        app.command()(command)
    app.add_typer(dead.app, name="dead")
    app.add_typer(models.app, name="models")
    return app


def main() -> None:
    """Run the command; what it could not do goes to standard error in one piece, with exit status 1."""
    try:
        build()()
    except Failed as failed:
        typer.secho(f"scribe: {visible(str(failed))}", err=True, fg="red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
