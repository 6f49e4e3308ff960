"""The notifier's settings."""

from pydantic import Field, SecretStr

from shared.addresses import AllowedNetworks
from shared.settings import Settings


class NotifierSettings(Settings):
    """The deployment's signing key, the networks that may be told besides public ones, and patience in seconds."""

    signing_key: SecretStr = Field(min_length=16)
    allowed_networks: AllowedNetworks = ()
    webhook_timeout: float = Field(15.0, gt=0, le=120)
