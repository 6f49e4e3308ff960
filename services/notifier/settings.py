"""The notifier's settings."""

from pydantic import Field, SecretStr

from shared.addresses import AllowedNetworks
from shared.settings import Seconds, Settings


class NotifierSettings(Settings):
    """The deployment's signing key, the networks that may be told besides public ones, and patience in seconds.

    Twelve attempts climb the ladder and then come every half hour: a webhook may be down for four hours. One has
    `webhook_timeout` to answer.
    """

    signing_key: SecretStr = Field(min_length=16)
    allowed_networks: AllowedNetworks = ()
    step_limit: Seconds = 300.0
    attempts: int = Field(12, ge=1, le=100)
    webhook_timeout: float = Field(15.0, gt=0, le=120)
