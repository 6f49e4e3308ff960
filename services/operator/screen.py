"""The terminal that the commands print to."""

from rich.console import Console
from rich.table import Column, Table

from shared.visible import visible

WIDE = 10_000
"""Characters of a line that goes into a pipe or a file: whoever reads it looks for whole words in whole rows."""


def screen(*, stderr: bool = False) -> Console:
    """Return the console. Text is not read as markup: `[/tmp/a.mp3]` in a reason would be taken for a closing tag."""
    console = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


class Rows(Table):
    """A table that cuts nothing: what does not fit into its column goes on in the next line.

    The columns named in `whole` stay in one line, to be copied. Control characters are shown, not obeyed.
    """

    def __init__(self, *names: str, whole: tuple[str, ...] = ()) -> None:
        super().__init__(*(Column(name, overflow="fold", no_wrap=name in whole) for name in names))

    def add(self, *cells: str, style: str | None = None) -> None:
        """Add a row."""
        self.add_row(*map(visible, cells), style=style)
