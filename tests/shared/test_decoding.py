"""What a publisher may have made of its message's properties, and what is read of it."""

import struct
from datetime import UTC, datetime

import pytest
from pamqp import encode
from pamqp.commands import Basic
from pamqp.common import FieldTable, FieldValue

from shared.mesh.decoding import read_what_can_be_read

LATIN = "café".encode("latin-1")
FAR = struct.pack(">Q", 1_700_000_000_000_000_000)


def read(value: bytes, name: str) -> FieldValue:
    """Return what is read of a property that is followed by a priority, which is read in any case."""
    read_what_can_be_read()
    properties = Basic.Properties()
    kind = Basic.Properties.flags
    properties.unmarshal(kind[name] | kind["app_id"], value + b"\x03who")
    assert properties.app_id == "who"
    return properties[name]


def table(name: bytes, value: bytes) -> bytes:
    """Return a table of one header, as it is sent."""
    content = bytes([len(name)]) + name + value
    return struct.pack(">I", len(content)) + content


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("message_id", b"\x03abc", "abc"),
        ("message_id", bytes([len(LATIN)]) + LATIN, "caf"),
        ("message_id", b"\xff" + b"\xe9" * 255, ""),
        ("timestamp", struct.pack(">Q", 1_700_000_000), datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("timestamp", FAR, None),
        ("timestamp", b"\xff" * 8, None),
    ],
)
def test_a_property_that_cannot_be_read_is_left_out(name: str, value: bytes, expected: FieldValue) -> None:
    """Those that follow it are read."""
    assert read(value, name) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (table(b"k", b"I\0\0\0\x01"), {"k": 1}),
        (table(b"k", b"S\0\0\0\x04" + LATIN), {"k": "caf"}),
        (table(b"k", b"T" + FAR), {"k": None}),
        (table(LATIN, b"V"), {}),
        (table(b"k", b"?odd"), {}),
    ],
)
def test_headers_are_read_such_that_they_can_be_sent_on(headers: bytes, expected: FieldTable) -> None:
    """A table that makes no sense has no headers."""
    assert read(headers, "headers") == expected
    encode.field_table(expected)


def test_headers_nested_without_end_are_none() -> None:
    """They exhaust the stack of whoever reads them, and no more."""
    nested = table(b"k", b"V")
    for _ in range(2_000):
        nested = table(b"k", b"F" + nested)
    assert read(nested, "headers") == {}
