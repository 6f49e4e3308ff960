"""The job message that the flags of `scribe submit` ask for."""

import json
from typing import Any

from services.operator.failed import Failed


def job_message(options: list[str], **flags: Any) -> dict[str, Any]:
    """Return the flags that were given and each `name=value` of `options`.

    A value is JSON, or text if it is none; a dot in the name reaches inside (`vad.threshold=0.4`). Raises Failed
    naming an option that is no `name=value`.
    """
    message = {name: value for name, value in flags.items() if value is not None}
    for option in options:
        name, equals, value = option.partition("=")
        if not name or not equals:
            raise Failed(f"--option '{option}' is no name=value, such as beam_size=3 or vad.threshold=0.4")
        _put(message, name.split("."), _value(value), option)
    return message


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _put(message: dict[str, Any], path: list[str], value: Any, option: str) -> None:
    *outer, last = path
    for name in outer:
        message = message.setdefault(name, {})
        if not isinstance(message, dict):
            raise Failed(f"--option '{option}' reaches inside '{name}', which has a value already")
    message[last] = value
