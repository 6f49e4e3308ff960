"""Which tenant a request speaks for, by its bearer token."""

import hmac
from collections.abc import Mapping

from fastapi import HTTPException, Request, status
from pydantic import SecretStr

EVERYBODY = "default"
LOOKING = frozenset({"GET", "HEAD"})


class Tenants:
    """Tenants by token; without tokens everybody is one tenant."""

    def __init__(self, tokens: Mapping[str, SecretStr], operator: SecretStr | None = None) -> None:
        self._tokens = {tenant: token.get_secret_value().encode() for tenant, token in tokens.items()}
        self._operator = operator.get_secret_value().encode() if operator else None

    def of(self, request: Request) -> str:
        """Return the caller's tenant; raise 401 for an unknown token, 403 for another site's page."""
        if not self._tokens:
            _refuse_pages(request)
            return EVERYBODY
        given = _given(request)
        # Every token is compared, each in constant time: the answer's delay tells nothing of any.
        matches = [tenant for tenant, token in self._tokens.items() if hmac.compare_digest(given, token)]
        if not matches:
            raise HTTPException(
                status.HTTP_401_UNAUTHORIZED,
                "this gateway asks for 'Authorization: Bearer <token>'",
                headers={"www-authenticate": "Bearer"},
            )
        return matches[0]

    def check_operator(self, request: Request) -> None:
        """Return if the caller is the operator: raise 403 otherwise, with what to set where there is none."""
        if not self._tokens and self._operator is None:
            _refuse_pages(request)
            return
        if self._operator is None:
            raise HTTPException(status.HTTP_403_FORBIDDEN, "set SCRIBE_GATEWAY_OPERATOR_TOKEN to let operators in")
        if not hmac.compare_digest(_given(request), self._operator):
            raise HTTPException(status.HTTP_403_FORBIDDEN, "this needs the operator's 'Authorization: Bearer <token>'")


def _refuse_pages(request: Request) -> None:
    """Raise 403 for what a page of another site has its visitor's browser ask for.

    Without tokens being there is all it takes, and on the loopback every browser of the machine is. It says by itself
    whose page it is (Fetch Metadata Request Headers, W3C); what is only looked at, the page does not get to see.
    """
    if request.method not in LOOKING and request.headers.get("sec-fetch-site") == "cross-site":
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            "this gateway has no tokens and takes nothing from other sites' pages; set SCRIBE_GATEWAY_TOKENS",
        )


def _given(request: Request) -> bytes:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # The bytes that came: headers are read as Latin-1, whatever they were sent as.
    return given.encode("latin-1") if scheme.lower() == "bearer" else b""
