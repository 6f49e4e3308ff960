"""The gateway's settings."""

from pydantic import Field, SecretStr

from shared.settings import Settings


class GatewaySettings(Settings):
    """Who may ask, and how much; bytes and seconds.

    `gateway_tokens` is JSON, tenant to bearer token; without any, every caller is the tenant `default`, which is fit
    for the loopback only.
    """

    gateway_tokens: dict[str, SecretStr] = Field(default_factory=dict)
    gateway_max_upload: int = Field(4 * 1024**3, ge=1)
    gateway_listeners: int = Field(200, ge=1)
    gateway_reply_seconds: float = Field(10.0, gt=0)
