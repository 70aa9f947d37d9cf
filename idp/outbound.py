"""HTTP requests to addresses that others have named, made so that nobody can misuse us for them.

Who names a URL is not trusted with our network: only public addresses are asked (and those of
networks that the operator allows), and the address that was checked is the one connected to.
"""

import http.client
import io
import queue
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Thread
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Networks = Iterable[IPv4Network | IPv6Network]

MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_ADDRESSES = 4

# What translates to IPv4: judged by the address that it stands for.
_NAT64 = ip_network("64:ff9b::/96")
# Public by its number, and yet the metadata service of the machine that asks.
_METADATA = frozenset({IPv4Address("168.63.129.16")})


class Unreachable(Exception):
    """There is no answer to be had from a URL; says why, as a verb phrase without the URL."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    headers: dict[str, str]
    body: bytes = b""

    def to(self, parts: SplitResult) -> bytes:
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        lines = [
            f"{self.method} {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            "Accept-Encoding: identity",
            "User-Agent: idp",
            "Connection: close",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + self.body


def get(url: str, *, allowed: Networks, seconds: float, accept: str) -> Answer:
    """The answer to a GET, in so many seconds in all. Raises Unreachable. See `post`."""
    return _ask(_Request("GET", {"Accept": accept}), url, allowed, seconds)


def post(url: str, body: bytes, *, allowed: Networks, seconds: float, content_type: str) -> Answer:
    """The same for a POST. Redirects are not followed: they would lead past the checks."""
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    return _ask(_Request("POST", headers, body), url, allowed, seconds)


def may_ask(address: Address, allowed: Networks) -> bool:
    """Whether an address is public, or in one of the networks that the operator allows."""
    networks = tuple(allowed)
    if any(address in network for network in networks):
        return True
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return may_ask(IPv4Address(int(address) & 0xFFFF_FFFF), networks)
        if address.is_site_local:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and address not in _METADATA
    )


def _ask(request: _Request, url: str, allowed: Networks, seconds: float) -> Answer:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Unreachable("is not a URL") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url and parts.username is None
    if not host or not is_plain or parts.scheme not in {"https", "http"}:
        raise Unreachable("is not an https URL without credentials and blanks")
    deadline = time.monotonic() + seconds
    try:
        with _connect(parts.scheme, host, port, tuple(allowed), deadline) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(request.to(parts))
            return _answer(request.method, connection, deadline)
    except TimeoutError:
        raise Unreachable(f"did not answer within {seconds:g} seconds") from None
    except ssl.SSLError as problem:
        raise Unreachable(f"has no TLS that is trusted: {problem.reason}") from None
    except (OSError, ValueError, http.client.HTTPException) as problem:
        raise Unreachable(f"could not be read: {type(problem).__name__}") from None


def _connect(
    scheme: str, host: str, port: int, networks: Networks, deadline: float
) -> socket.socket:
    """A connection to one of the host's addresses that may be asked, and to that very one.

    The name is not looked up again: DNS may answer something else the second time. Plain http is
    for loopback alone, where nobody is between; and loopback must be allowed by the operator.
    """
    found = [address for address in _addresses(host, port, deadline) if may_ask(address, networks)]
    if scheme == "http":
        found = [address for address in found if address.is_loopback]
    if not found:
        raise Unreachable(
            "is at no address that may be asked" + (" by plain http" if scheme == "http" else "")
        )
    connection = _connect_to_one_of(found[:MAX_ADDRESSES], port, deadline)
    if scheme == "http":
        return connection
    connection.settimeout(_left(deadline))
    try:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _connect_to_one_of(addresses: list[Address], port: int, deadline: float) -> socket.socket:
    for address in addresses[:-1]:
        try:
            return socket.create_connection((str(address), port), _left(deadline) / 2)
        except OSError:
            continue
    return socket.create_connection((str(addresses[-1]), port), _left(deadline))


def _addresses(host: str, port: int, deadline: float) -> list[Address]:
    """All addresses of a name. In a thread, because a resolver's patience cannot be set here."""
    answers: queue.SimpleQueue[list[Address] | OSError | ValueError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(ip_address(str(entry[4][0])) for entry in found)))
        except (OSError, ValueError) as problem:
            answers.put(problem)

    Thread(target=ask, name="outbound-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=_left(deadline))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, list):
        return answer
    raise answer


def _answer(method: str, connection: socket.socket, deadline: float) -> Answer:
    response = http.client.HTTPResponse(
        _Wire(connection, deadline),  # type: ignore[arg-type]
        method=method,
    )
    try:
        response.begin()
        body = response.read(MAX_BODY_BYTES + 1)
    finally:
        response.close()
    if len(body) > MAX_BODY_BYTES:
        raise Unreachable(_TOO_LARGE)
    return Answer(response.status, body)


_TOO_LARGE = f"gave an answer larger than {MAX_BODY_BYTES} bytes"


class _Wire(io.RawIOBase):
    """What comes in on a socket until the deadline. A timeout of its own would begin anew with each
    byte, and others could send one a second; and its headers could be endless."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._bytes_left = MAX_BODY_BYTES + MAX_HEADER_BYTES

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self._bytes_left <= 0:
            raise Unreachable(_TOO_LARGE)
        self._connection.settimeout(_left(self._deadline))
        count = self._connection.recv_into(buffer, min(len(buffer), self._bytes_left))
        self._bytes_left -= count
        return count


def _left(deadline: float) -> float:
    """The seconds until the deadline. Raises TimeoutError where it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
