"""Sealing a source: the job document keeps it encrypted, because its query and headers may hold secrets."""

from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from cryptography.fernet import Fernet, InvalidToken
from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError

from shared.options import Source


def _fernet_key(key: SecretStr) -> SecretStr:
    try:
        Fernet(key.get_secret_value())
    except ValueError:
        raise PydanticCustomError("seal_key", "must be 32 random bytes in URL-safe base64 (a Fernet key)") from None
    return key


SealKey = Annotated[SecretStr, AfterValidator(_fernet_key)]
"""SCRIBE_SEAL_KEY: the one key of the deployment; `Fernet.generate_key()` makes one."""


class WrongSealKey(Exception):
    """A sealed source cannot be opened here."""

    def __init__(self) -> None:
        super().__init__("SCRIBE_SEAL_KEY is not the key this job's source was sealed with; give every service one key")


class Seal:
    """Seals and opens sources with a Fernet key (32 bytes, URL-safe base64); raises ValueError for any other key."""

    def __init__(self, key: SecretStr) -> None:
        self._fernet = Fernet(key.get_secret_value())

    def seal(self, source: Source) -> str:
        """Return the source as a token that only this key opens."""
        return self._fernet.encrypt(source.model_dump_json().encode()).decode()

    def open(self, token: str) -> Source:
        """Return the source that was sealed; raise WrongSealKey."""
        try:
            return Source.model_validate_json(self._fernet.decrypt(token.encode()))
        except InvalidToken:
            raise WrongSealKey from None


def shown(source: Source) -> Source:
    """Return the source as the document may show it: no query, no fragment, no headers."""
    if source.url is None:
        return source
    return Source(url=shown_url(source.url))


def shown_url(url: str) -> str:
    """Return an address without what may be secret: user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def shown_origin(url: str) -> str:
    """Return an address's scheme, host and port: of a webhook the path, too, is often its secret."""
    parts = urlsplit(shown_url(url))
    return f"{parts.scheme}://{parts.netloc}"
