"""Which way a line is read: whoever shows it goes by its first letter, as the Unicode Bidirectional Algorithm has it.

A Hebrew line that begins with a speaker's label, a time or an English word would be laid out from left to right: its
parts in the wrong order, its full stop at the wrong end.
"""

from unicodedata import bidirectional

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ps", "sd", "ur", "yi"})
"""Languages, by ISO 639 code, that are written from right to left."""

MARK = "\u200f"
"""The right-to-left mark: a letter of that direction that is not seen."""

LEFTWARD = {"R", "AL"}
LETTERS = {"L", *LEFTWARD}
"""Bidirectional classes of letters (UAX #9)."""


def directed(line: str, said: str, language: str | None) -> str:
    """Return the line, behind a mark if it belongs to text of that direction and does not begin in it.

    `said` is the whole of the text: in a recording in Hebrew, what is in English throughout is read as such.
    """
    classes = {bidirectional(letter) for letter in said} if language in RIGHT_TO_LEFT else set[str]()
    begins = next((kind for kind in map(bidirectional, line) if kind in LETTERS), None)
    return line if classes.isdisjoint(LEFTWARD) or begins in LEFTWARD else f"{MARK}{line}"
