"""Which addresses the mesh may reach on somebody's behalf."""

import asyncio
import socket
import threading
from ipaddress import ip_network

import pytest
from pydantic import ValidationError
from yarl import URL

from services.downloader.settings import DownloaderSettings
from shared.addresses import LOOKUPS, AddressGuard, GuardedResolver, PrivateAddress, guarded_session

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

REFUSED = {
    "0.0.0.0": "unspecified",
    "10.0.0.1": "private",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "100.64.0.1": "not a public one",
    "100.100.100.200": "not a public one",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "192.168.1.1": "private",
    "192.0.0.8": "",
    "192.88.99.1": "",
    "168.63.129.16": "",
    "198.18.0.1": "",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "64:ff9b::a00:1": "private",
    "64:ff9b:1::1": "",
    "2002:7f00:1::": "loopback",
    "2002:a00:1::1": "private",
    "2001:0:1::1": "",
    "2001:db8::1": "",
    "3fff::1": "",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "",
    "ff02::1": "multicast",
}
PUBLIC = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
SPELT = ["2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "017700000001", "0", "0xa.0.0.1", "012.0.0.1"]
LETTERS = [
    "127\N{IDEOGRAPHIC FULL STOP}0.0.1",
    "\N{FULLWIDTH DIGIT ONE}27.0.0.1",
    "\N{CIRCLED DIGIT ONE}69.254.169.254",
]


Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]]


def found(address: str, port: int) -> Found:
    """Return an address as the system's resolver gives it."""
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)


@pytest.mark.parametrize(("address", "kind"), REFUSED.items())
def test_an_address_that_is_not_public_is_refused(address: str, kind: str) -> None:
    """Every kind of private address is refused, also inside an IPv6 one; the message says of whom, and why."""
    with pytest.raises(PrivateAddress, match=f"^host 'host.test' is .*{kind}.*SCRIBE_ALLOWED_NETWORKS"):
        AddressGuard(()).check("host.test", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_asked(address: str) -> None:
    """What is on the internet can be fetched."""
    AddressGuard(()).check("host.test", address)


@pytest.mark.parametrize("host", [*SPELT, *LETTERS, "127.0.0.1", "[::1]", "[::ffff:10.0.0.1]", "[fe80::1%25eth0]"])
def test_an_address_in_an_odd_spelling_is_refused(host: str) -> None:
    """Decimal, octal, hexadecimal and short hosts are read as sockets read them, and any script's digits as digits."""
    with pytest.raises(PrivateAddress):
        AddressGuard(()).check_url(f"http://{host}/a.wav")


def test_networks_and_hosts_can_be_opened() -> None:
    """The setting opens what it names, in any of its spellings, and nothing else."""
    guard = AddressGuard([ip_network("127.0.0.0/8"), "minio"])
    for host, address in [("a", "127.0.0.1"), ("a", "::ffff:127.0.0.1"), ("MinIO.", "10.1.2.3")]:
        guard.check(host, address)
    for host, address in [("a", "10.0.0.1"), ("a.minio", "10.1.2.3"), ("a", "::1")]:
        with pytest.raises(PrivateAddress):
            guard.check(host, address)


@pytest.mark.parametrize("host", ["3com.example", "1and1.example", "0x.example", "127.0.0.1.example"])
def test_a_name_that_begins_like_an_address_is_a_name(host: str) -> None:
    """What it stands for is for the resolver to find out, and then to be vetted."""
    AddressGuard(()).check_url(f"http://{host}/a.wav")


async def test_what_one_server_sets_is_sent_to_nobody() -> None:
    """One session serves all tenants: it keeps no cookies, and takes no proxy from the environment."""
    async with guarded_session(AddressGuard(())) as session:
        session.cookie_jar.update_cookies({"session": "s3cret"}, URL("https://host.test/"))
        assert not session.cookie_jar.filter_cookies(URL("https://host.test/"))
        assert not session.trust_env


async def test_a_name_is_vetted_by_what_it_resolves_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """One private address among a name's addresses refuses the name; what is returned is what was vetted."""
    known = {"good.test": ["8.8.8.8", "2606:4700::1111"], "bad.test": ["8.8.8.8", "10.0.0.1"]}

    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *_, **__: [found(each, port) for each in known[host]])
    resolver = GuardedResolver(AddressGuard(()))
    assert [each["host"] for each in await resolver.resolve("good.test", 80)] == known["good.test"]
    with pytest.raises(PrivateAddress, match=r"^host 'bad\.test' is private; allow"):
        await resolver.resolve("bad.test", 80)


async def test_names_that_nobody_answers_for_keep_no_other_from_being_resolved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are somebody's own, as many as there are webhooks; all others' are told meanwhile."""
    answered = threading.Event()

    def look_up(host: str, port: int, *_: object, **__: object) -> list[Found]:
        if host == "slow.test":
            answered.wait()
        return [found("8.8.8.8", port)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    resolver = GuardedResolver(AddressGuard(()))
    slow = [asyncio.create_task(resolver.resolve("slow.test", 80)) for _ in range(LOOKUPS - 1)]
    try:
        async with asyncio.timeout(5):
            assert await resolver.resolve("quick.test", 80)
    finally:
        answered.set()
    await asyncio.gather(*slow)
    await resolver.close()


def test_the_setting_is_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks and host names are told apart."""
    monkeypatch.setenv("SCRIBE_SEAL_KEY", KEY)
    monkeypatch.setenv("SCRIBE_ALLOWED_NETWORKS", "10.0.0.0/8, fd00::/8,127.0.0.1, MinIO.internal")
    networks = tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8", "127.0.0.1")))
    assert DownloaderSettings().allowed_networks == (*networks, "minio.internal")


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "10.0.0.0/33", "http://minio", "a b"])
def test_a_mistyped_network_stops_the_start(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """A network with host bits, or anything that is no name, is an error and not a name that opens nothing."""
    monkeypatch.setenv("SCRIBE_SEAL_KEY", KEY)
    monkeypatch.setenv("SCRIBE_ALLOWED_NETWORKS", wrong)
    with pytest.raises(ValidationError):
        DownloaderSettings()
