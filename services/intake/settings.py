"""Intake's settings."""

from pydantic import SecretStr

from shared.settings import Settings


class IntakeSettings(Settings):
    """What intake needs besides the shared settings: the key that seals sources (a Fernet key)."""

    seal_key: SecretStr
