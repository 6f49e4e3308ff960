"""Where the commands show what they found, as it is."""

from rich.console import Console


def screen(*, stderr: bool = False) -> Console:
    """Return the terminal, or the pipe. Text is no markup: in a reason, `[/tmp/a.mp3]` would be a tag that ends."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)
