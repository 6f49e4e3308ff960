"""Which addresses the mesh may ask on somebody's behalf: public ones, and those that a setting opens.

The address that is vetted is the address that is connected to: the check sits in the resolver, behind DNS, so that a
name cannot mean one thing to the check and another to the connection.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import Field, StringConstraints
from pydantic_settings import NoDecode
from yarl import URL

from shared.settings import LISTED

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Addresses that stand for others: what they carry is what is checked (RFC 6052 and RFC 3056 through `sixtofour`).
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# All that is handed out for the internet (RFC 4291): the standard library calls some of the rest global.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

# What the standard library calls global but is not, or not to everybody.
RESERVED: tuple[Network, ...] = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments (RFC 6890)
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, withdrawn (RFC 7526)
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure routes it to the platform of the machine that asks
    ipaddress.IPv6Network("3fff::/20"),  # documentation (RFC 9637)
)


LOOKUPS = 64
"""Names looked up at once. One that nobody answers for is looked up for half a minute and longer, whoever has given up
waiting: several for each of a notifier's deliveries."""

NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

HostName = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")]
Opened = Annotated[
    ipaddress.IPv4Network | ipaddress.IPv6Network | HostName,
    Field(union_mode="left_to_right"),
]
AllowedNetworks = Annotated[tuple[Opened, ...], NoDecode, LISTED]
"""SCRIBE_ALLOWED_NETWORKS: networks and host names such as `10.1.0.0/16,minio`, a comma between them."""


class PrivateAddress(Exception):
    """An address that is not public and that no setting opens.

    Tenants read what it says: it names the host as they gave it, not what a name of the inner network stands for.
    """

    def __init__(self, host: str, address: Address) -> None:
        super().__init__(f"host '{host}' is {_kind(address)}; allow it with SCRIBE_ALLOWED_NETWORKS")


class AddressGuard:
    """Says which addresses may be asked: public ones, those inside `allowed`, and those of hosts named there."""

    def __init__(self, allowed: Iterable[Network | str]) -> None:
        entries = tuple(allowed)
        self._hosts = frozenset(entry for entry in entries if isinstance(entry, str))
        self._allowed = tuple(entry for entry in entries if not isinstance(entry, str))

    def check(self, host: str, address: str) -> None:
        """Raise PrivateAddress if `address`, which `host` stands for, may not be asked."""
        if host.lower().rstrip(".") in self._hosts:
            return
        literal = ipaddress.ip_address(address.partition("%")[0])
        for each in _meant(literal):
            if not _is_public(each):
                self._check_allowed(host, each)

    def check_url(self, url: str) -> None:
        """Raise PrivateAddress if the URL's host is an address, however spelt, that may not be asked.

        Raises ValueError for what is no URL.
        """
        # Read by aiohttp's own reader: to another, full-width digits or an ideographic full stop make no address.
        host = URL(url).raw_host or ""
        address = _literal(host)
        if address is not None:
            self.check(host, address)

    def _check_allowed(self, host: str, address: Address) -> None:
        if not any(address in network for network in self._allowed):
            raise PrivateAddress(host, address)


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_UNICAST:
        return address in NAT64
    listed = any(address in network for network in RESERVED)
    return address.is_global and not (listed or address.is_multicast or address.is_reserved)


def _kind(address: Address) -> str:
    """Return in a word why an address is not public."""
    kinds = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "reserved": address.is_reserved,
        "private": address.is_private,
    }
    return next((kind for kind, applies in kinds.items() if applies), "not a public one")


def _meant(address: Address) -> list[Address]:
    """Return the address, and the IPv4 address that it carries inside, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = address.ipv4_mapped or address.sixtofour
    if address in NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    # A mapped address is only a spelling of the one inside; the others are routes of their own.
    return [inner] if inner is not None and address.ipv4_mapped else [address, *([inner] if inner else [])]


def _literal(host: str) -> str | None:
    """Return the address that a host is, also in the decimal, octal and hex spellings that resolvers take."""
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host)) if host[:1].isdigit() else None
    except OSError:
        return None


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses those that lead to an address the guard refuses.

    In threads of its own: uvloop looks up two names at once, and whoever has names that nobody answers for would keep
    all others from being told or fetched.
    """

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the host's addresses; raise PrivateAddress if any of them may not be asked, OSError if it has none."""
        look_up = partial(socket.getaddrinfo, host, port, family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [self._vetted(host, port, *each) for each in found]

    def _vetted(self, host: str, port: int, *found: Any) -> ResolveResult:
        family, _, proto, _, (address, _, *scope) = found
        self._guard.check(host, address)
        zone = f"%{scope[-1]}" if scope and scope[-1] else ""  # of a link-local address that a setting opens
        return ResolveResult(
            hostname=host, host=f"{address}{zone}", port=port, family=family, proto=proto, flags=NUMERIC
        )

    async def close(self) -> None:
        """Wait for no lookup that goes on."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def guarded_session(guard: AddressGuard) -> aiohttp.ClientSession:
    """Return a session that connects to no address the guard refuses, keeps no cookies and trusts no environment.

    aiohttp asks no resolver about a host that is an address: call `guard.check_url` before each request.
    """
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(guard), family=socket.AF_UNSPEC)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
