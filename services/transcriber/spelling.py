"""Words as people write them: faster-whisper parts them at the signs of ASCII, as in צה"ל, 3.5 and twenty-one, too.

Text without spaces it parts wherever a token ends: between a letter and its vowel sign, before a full stop, in iPhone.
"""

from collections.abc import Iterable
from typing import Any
from unicodedata import category

from faster_whisper.tokenizer import Tokenizer
from wcwidth import grapheme_boundary_before

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that put no space between words: of their text faster-whisper makes a word of each letter or syllable."""

OPENING = frozenset({"Ps", "Pi"})
"""Unicode's categories of opening brackets and quotes, behind which no line ends."""

CLOSING = frozenset({"Pe", "Pf", "Po", "Lm"})
"""Those of closing ones, of full stops and commas, and of signs that lengthen or repeat: with them no line begins."""


def spelled(words: Iterable[dict[str, Any]], tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Return faster-whisper's words, each with what belongs to it, and as sure as its least sure part.

    That is all that follows it without a space; where there are no spaces, what nobody would cut off from it.
    """
    goes_on = _spaceless if _spaced(tokenizer) else _inseparable
    whole: list[dict[str, Any]] = []
    for word in words:
        if whole and goes_on(whole[-1]["word"], word["word"]):
            whole[-1] = _joined(whole[-1], word)
        else:
            whole.append(word)
    return whole


def _spaced(tokenizer: Tokenizer) -> bool:
    """Whether the text has spaces between its words; a translation is English, whatever was spoken."""
    translated = tokenizer.task is not None and tokenizer.task == tokenizer.translate
    return translated or tokenizer.language_code not in UNSPACED


def _spaceless(_word: str, rest: str) -> bool:
    return not rest.startswith(" ")


def _inseparable(word: str, rest: str) -> bool:
    """Whether two neighbours are one: a space and a word, parts of a letter, a sign and its word, Latin and digits."""
    if word.isspace() or not rest or rest[0].isspace():
        return word.isspace()
    before, after = word[-1], rest[0]
    if category(before) in OPENING or category(after) in CLOSING or (before.isascii() and after.isascii()):
        return True
    return grapheme_boundary_before(word + rest, len(word) + 1) < len(word)


def _joined(word: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    return {
        "word": word["word"] + rest["word"],
        "start": word["start"],
        "end": rest["end"],
        "probability": min(word["probability"], rest["probability"]),
    }
