"""The gateway's settings."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, from_json
from pydantic_settings import NoDecode

from shared.options import Tenant
from shared.settings import Seconds, Settings


def _read(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return from_json(value)
    except ValueError:
        raise PydanticCustomError("tokens", 'must be JSON, tenant to token, such as {"acme": "..."}') from None


def _apart(tokens: dict[str, SecretStr]) -> dict[str, SecretStr]:
    if len({token.get_secret_value() for token in tokens.values()}) < len(tokens):
        raise PydanticCustomError("tokens", "gives two tenants the same token; give each its own")
    return tokens


Token = Annotated[SecretStr, Field(min_length=16)]
Tokens = Annotated[dict[Tenant, Token], NoDecode, BeforeValidator(_read), AfterValidator(_apart)]


class GatewaySettings(Settings):
    """Who may ask, and how much; bytes and seconds.

    `gateway_tokens` is JSON, tenant to bearer token; without any, every caller is the tenant `default`, which is fit
    for the loopback only. As many as `gateway_listeners` streams of events and `gateway_uploads` uploads may be open at
    once, of one tenant those `_per_tenant`; an upload holds up to 24 MiB of memory. Intake has `gateway_reply_seconds`
    to answer before the caller is told to ask again.
    """

    gateway_tokens: Tokens = Field(default_factory=dict)
    gateway_operator_token: Token | None = None
    gateway_max_upload: int = Field(4 * 1024**3, ge=1)
    gateway_listeners: int = Field(200, ge=1)
    gateway_listeners_per_tenant: int = Field(100, ge=1)
    gateway_uploads: int = Field(64, ge=1)
    gateway_uploads_per_tenant: int = Field(32, ge=1)
    gateway_reply_seconds: Seconds = 10.0

    @field_validator("gateway_operator_token")
    @classmethod
    def _of_its_own(cls, token: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if token in others.data.get("gateway_tokens", {}).values():
            raise PydanticCustomError("token", "is a tenant's token, too; give the operator one of its own")
        return token
