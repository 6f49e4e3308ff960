"""Whose a request is: what a token opens, and what it does not."""

import pytest
from fastapi import HTTPException
from pydantic import SecretStr
from starlette.requests import Request

from services.gateway.tenants import EVERYBODY, Tenants

TOKENS = {"acme": SecretStr("acme-token-of-16-letters"), "other": SecretStr("other-token-of-16-letters")}
OPERATOR = SecretStr("operator-token-of-16-letters")


def asked(authorization: str | None = None) -> Request:
    """Return a request with the header."""
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return Request({"type": "http", "method": "GET", "headers": headers})


@pytest.mark.parametrize(("token", "tenant"), [(TOKENS["acme"], "acme"), (TOKENS["other"], "other")])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_token_speaks_for_its_own_tenant(token: SecretStr, tenant: str, scheme: str) -> None:
    """However its scheme is written: names of schemes know no case."""
    assert Tenants(TOKENS, OPERATOR).of(asked(f"{scheme} {token.get_secret_value()}")) == tenant


@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer ", "acme-token-of-16-letters", "Basic acme-token-of-16-letters", "Bearer acme"],
)
def test_what_is_nobodys_token_speaks_for_nobody(given: str | None) -> None:
    """No part of a token does, nor the token under another scheme; the operator's is no tenant's."""
    for each in (given, f"Bearer {OPERATOR.get_secret_value()}"):
        with pytest.raises(HTTPException) as refused:
            Tenants(TOKENS, OPERATOR).of(asked(each))
        assert refused.value.status_code == 401


def test_without_tokens_everybody_is_one_tenant_and_the_operator() -> None:
    """A gateway for one machine asks for nothing."""
    tenants = Tenants({})
    assert tenants.of(asked()) == EVERYBODY
    tenants.check_operator(asked())


@pytest.mark.parametrize("tokens", [{}, TOKENS])
def test_an_operators_token_is_asked_for_wherever_there_is_one(tokens: dict[str, SecretStr]) -> None:
    """Also where the tenants have none."""
    tenants = Tenants(tokens, OPERATOR)
    tenants.check_operator(asked(f"Bearer {OPERATOR.get_secret_value()}"))
    for given in (None, "Bearer acme-token-of-16-letters"):
        with pytest.raises(HTTPException) as refused:
            tenants.check_operator(asked(given))
        assert refused.value.status_code == 403


def test_where_tenants_have_tokens_and_the_operator_has_none_nobody_is_the_operator() -> None:
    """The answer says what to set."""
    with pytest.raises(HTTPException, match="SCRIBE_GATEWAY_OPERATOR_TOKEN") as refused:
        Tenants(TOKENS).check_operator(asked("Bearer acme-token-of-16-letters"))
    assert refused.value.status_code == 403
