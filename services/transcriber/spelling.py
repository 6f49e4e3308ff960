"""Words as people write them: faster-whisper also splits at ASCII signs inside a word, as in צה"ל, 3.5, twenty-one."""

from collections.abc import Iterable
from typing import Any

from faster_whisper.tokenizer import Tokenizer

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that put no space between words: of their text faster-whisper makes a word of each letter or syllable."""


def spelled(words: Iterable[dict[str, Any]], tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Return the words, each joined with what follows it without a space, and as sure as its least sure part."""
    if not _spaced(tokenizer):
        return list(words)
    whole: list[dict[str, Any]] = []
    for word in words:
        if whole and not word["word"].startswith(" "):
            whole[-1] = _joined(whole[-1], word)
        else:
            whole.append(word)
    return whole


def _spaced(tokenizer: Tokenizer) -> bool:
    """Whether the text has spaces between its words; a translation is English, whatever was spoken."""
    translated = tokenizer.task is not None and tokenizer.task == tokenizer.translate
    return translated or tokenizer.language_code not in UNSPACED


def _joined(word: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    return {
        "word": word["word"] + rest["word"],
        "start": word["start"],
        "end": rest["end"],
        "probability": min(word["probability"], rest["probability"]),
    }
