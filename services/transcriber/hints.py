"""Hotwords and the initial prompt, cut to what leaves the model room to write.

Whisper has one context for hints and text: whatever hints take of it, the text lacks, and faster-whisper lets both
hints together fill it, after which the text breaks off without an error.

Where it hears little the model writes its hints down instead of what is said, and is sure of it.
"""

import re
from bisect import bisect_right
from collections.abc import Callable

from shared.options import Options

START_TOKENS = 6
"""What stands around the hints: previous-text, start, language, task and no-timestamps tokens, and one to spare."""

Count = Callable[[str], int]


def fit(options: Options, context: int, count: Count) -> tuple[Options, tuple[str, ...]]:
    """Return the options with hints that leave half of `context` tokens free, and a warning if one was cut.

    `count` says how many tokens a text takes. Hotwords keep their beginning, the prompt keeps its end: what is nearest
    to the speech weighs most. Each has half of the room for sure, and what the other leaves.
    """
    room = context // 2 - START_TOKENS
    given = {"hotwords": plain(options.hotwords), "initial_prompt": plain(options.initial_prompt)}
    hotwords, prompt = given.values()
    own = {"hotwords": first(hotwords, max(room // 2, room - count(prompt)), count)}
    own["initial_prompt"] = last(prompt, room - count(own["hotwords"]), count)
    cut = [name for name, text in own.items() if text != given[name]]
    warnings = tuple(f"'{name}' was cut: the model takes {room} tokens of hints" for name in cut)
    return options.model_copy(update={name: text or None for name, text in own.items()}), warnings


def plain(hint: str | None) -> str:
    """Return the hint as text alone: in '<|…|>' the tokenizer sees one of Whisper's own signs.

    A start token among them would stand elsewhere than those of the windows that share its call, and all would fail.
    """
    return (hint or "").replace("<|", "< |")


def first(text: str, room: int, count: Count) -> str:
    """Return the most of the text's beginning that takes `room` tokens at the most, cut at a space if there is one."""
    kept = text[: _fitting(len(text), room, lambda letters: count(text[:letters]))]
    return kept.rpartition(" ")[0] if kept != text and " " in kept else kept


def last(text: str, room: int, count: Count) -> str:
    """Return the most of the text's end that takes `room` tokens at the most, cut at a space if there is one."""
    size = len(text)
    kept = text[size - _fitting(size, room, lambda letters: count(text[size - letters :])) :]
    return kept.partition(" ")[2] if kept != text and " " in kept else kept


def _fitting(letters: int, room: int, tokens: Callable[[int], int]) -> int:
    """Return the greatest number of letters whose tokens fit, by bisection: more letters take no fewer tokens."""
    return max(bisect_right(range(letters + 1), room, key=tokens) - 1, 0)


def echoes(text: str, options: Options) -> bool:
    """Whether the text says nothing but what the hints do: some of the hotwords, or a part of the prompt as it is."""
    said, listed = _words(text), _words(options.hotwords)
    prompted = f" {' '.join(_words(options.initial_prompt))} "
    return bool(said) and (set(said) <= set(listed) or f" {' '.join(said)} " in prompted)


def _words(text: str | None) -> list[str]:
    return re.findall(r"\w+", (text or "").casefold())
