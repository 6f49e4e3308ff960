"""Small outputs lie in the job document itself: one write less for who makes one, one read less for who needs it."""

from typing import Any

from shared.transcript import Output

MOST_BYTES = 1_000
"""Of JSON. A job of a few hundred steps stays far below the 16 MB that MongoDB allows a document."""


def inlined(output: Output | None) -> dict[str, Any] | None:
    """Return the output as the job document holds it, None if it is too large for that."""
    if output is None or len(output.model_dump_json()) > MOST_BYTES:
        return None
    return output.model_dump(mode="json")
