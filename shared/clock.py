"""The one clock of documents and events."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time in UTC, cut to the milliseconds that the database keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
