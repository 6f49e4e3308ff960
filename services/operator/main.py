"""Wires the `scribe` command: each subcommand is a function of its own module."""

import errno
import os
import sys
from typing import NoReturn

import typer

from services.operator import dead, demo, doctor, jobs, models, show, up
from services.operator.failed import Failed
from shared.visible import visible

INTERRUPTED = 130
"""The exit status that shells give to what Ctrl-C ended."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says of a file that can take no more."""


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
        _end(str(failed))
    except OSError as full:
        if full.errno not in FULL:
            raise
        # What could not be written would be tried again at the end, and its failure told without a reason.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _end(f"{full.filename or 'the output'} cannot be written: {full.strerror}; make room and try again")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _end(said: str) -> NoReturn:
    typer.secho(f"scribe: {visible(said)}", err=True, fg="red")
    sys.exit(1)
