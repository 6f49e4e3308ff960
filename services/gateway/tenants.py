"""Which tenant a request speaks for, by its bearer token."""

import hmac
from collections.abc import Mapping

from fastapi import HTTPException, Request, status
from pydantic import SecretStr

EVERYBODY = "default"


class Tenants:
    """Tenants by token; without tokens everybody is one tenant."""

    def __init__(self, tokens: Mapping[str, SecretStr]) -> None:
        self._tokens = {tenant: token.get_secret_value().encode() for tenant, token in tokens.items()}

    def of(self, request: Request) -> str:
        """Return the caller's tenant; raise 401 for a token that is nobody's."""
        if not self._tokens:
            return EVERYBODY
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Every token is compared, each in constant time: the answer's delay tells nothing of any.
        matches = [tenant for tenant, token in self._tokens.items() if hmac.compare_digest(given.encode(), token)]
        if scheme.lower() != "bearer" or not matches:
            raise HTTPException(
                status.HTTP_401_UNAUTHORIZED,
                "this gateway asks for 'Authorization: Bearer <token>'",
                headers={"www-authenticate": "Bearer"},
            )
        return matches[0]
