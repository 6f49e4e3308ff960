"""The terminal that the commands print to."""

from rich.console import Console


def screen(*, stderr: bool = False) -> Console:
    """Return the console. Text is not read as markup: `[/tmp/a.mp3]` in a reason would be taken for a closing tag."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
