"""The address of a recording: what can be fetched, sent to the server as it was given."""

import re
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError
from yarl import URL

from shared.mesh.outcomes import GiveUp
from shared.options import check_http_url
from shared.seal import shown_url

SENDABLE = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]*")
"""What an address may be written in (RFC 3986, section 2); the rest is for yarl to quote."""

SAID_LETTERS = 200
"""Of what a server says: it may say thousands, which nobody reads and no dead letter has room for."""


def http_url(address: str, what: str) -> URL:
    """Return the address, path and query to the letter where they can be sent; raise GiveUp, calling it `what`.

    yarl would turn some escapes into what they stand for, and a signature over the query, as many frameworks make it,
    would no longer hold.
    """
    try:
        given, url = urlsplit(address), URL(check_http_url(address))
    except PydanticCustomError as wrong:
        raise GiveUp(f"{what} ({line(shown_url(address))}) {wrong.message()}") from None
    except ValueError:
        raise GiveUp(f"{what} is no address that can be fetched") from None
    if not SENDABLE.fullmatch(given.path + given.query):
        return url
    authority, path, query = url.raw_authority.rpartition("@")[2], given.path or "/", given.query
    return URL.build(scheme=url.scheme, authority=authority, path=path, query_string=query, encoded=True)


def line(said: str) -> str:
    """Return the beginning of what a server says in one line; bytes that are no UTF-8 could not be stored."""
    return " ".join(said[:SAID_LETTERS].encode(errors="replace").decode().split())
