"""Intake's settings."""

from shared.seal import SealKey
from shared.settings import Settings


class IntakeSettings(Settings):
    """What intake needs besides the shared settings: the key that seals sources (a Fernet key)."""

    seal_key: SealKey
