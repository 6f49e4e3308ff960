"""Sealing a source: the job document keeps it encrypted, because its query and headers may hold secrets."""

from urllib.parse import urlsplit, urlunsplit

from cryptography.fernet import Fernet, InvalidToken

from shared.options import Source


class WrongSealKey(Exception):
    """A sealed source cannot be opened here."""

    def __init__(self) -> None:
        super().__init__("SCRIBE_SEAL_KEY is not the key this job's source was sealed with; give every service one key")


class Seal:
    """Seals and opens sources with a Fernet key (32 bytes, URL-safe base64); raises ValueError for any other key."""

    def __init__(self, key: str) -> None:
        self._fernet = Fernet(key.encode())

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
    bare = urlunsplit(urlsplit(source.url)._replace(query="", fragment=""))
    return Source(url=bare)
