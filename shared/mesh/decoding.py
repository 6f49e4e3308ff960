"""Properties of messages, read as far as they can be.

The broker passes on what it does not look at: letters that are no UTF-8, a timestamp in microseconds, a header of a
type unknown. pamqp refuses to decode such a message, and aiormq then ends the connection that brought it. The broker
delivers it again, to one consumer after the other, and none of them would get beyond it.
"""

from datetime import datetime

from pamqp import decode
from pamqp.common import FieldTable


def read_what_can_be_read() -> None:
    """Have the connections of this process leave out what they cannot decode; safe to repeat."""
    decode.METHODS.update({"shortstr": _short_text, "timestamp": _moment, "table": _table})
    decode.TABLE_MAPPING.update({b"S": _long_text, b"T": _moment})


def _short_text(value: bytes) -> tuple[int, str]:
    return _text(value, 1)


def _long_text(value: bytes) -> tuple[int, str]:
    # pamqp would return bytes, which it cannot encode when the message is sent on.
    return _text(value, 4)


def _text(value: bytes, width: int) -> tuple[int, str]:
    end = width + _length(value, width)
    # Nothing stands in for what is left out: the text must not become too long to be sent on.
    return end, value[width:end].decode(errors="ignore")


def _moment(value: bytes) -> tuple[int, datetime | None]:
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError):  # beyond the years that there are, or that the platform knows
        return 8, None


def _table(value: bytes) -> tuple[int, FieldTable]:
    try:
        return decode.field_table(value)
    except (ValueError, RecursionError):
        return 4 + _length(value, 4), {}


def _length(value: bytes, width: int) -> int:
    return int.from_bytes(value[:width])
