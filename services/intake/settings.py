"""Intake's settings."""

from pydantic import Field

from shared.seal import SealKey
from shared.settings import Seconds, Settings


class IntakeSettings(Settings):
    """What intake needs besides the shared settings: the key that seals sources (a Fernet key), limits, and patience.

    `retention_days` is for jobs that name none; None keeps them. A message that lies unseen for `overdue` seconds
    while its queue has fewer than it should is published again; the sweeper looks every `sweep_seconds`.
    """

    seal_key: SealKey
    max_running: int = Field(1_000, ge=1)
    max_running_per_tenant: int = Field(500, ge=1)
    retention_days: int | None = Field(None, ge=1, le=3_650)
    overdue: Seconds = 60.0
    sweep_seconds: Seconds = 30.0
