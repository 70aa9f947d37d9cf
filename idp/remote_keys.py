"""Public keys that others publish at a URL: read safely, kept for a while, and not asked for often.

Who names the URL is trusted with its keys, not with our network: only public addresses are asked
(and those of IDP_JWKS_ALLOWED_NETWORKS), and the address that was checked is the one connected to.
"""

import http.client
import io
import queue
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Lock, Thread
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from idp import jwks
from idp.jwks import VerificationKey

Address = IPv4Address | IPv6Address

SECONDS_IN_ALL = 2.0
MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_ADDRESSES = 4

FRESH_SECONDS = 600.0
# Attempts for one URL are at least so far apart, whatever they are for: keys that have grown old,
# a kid that is unknown, or a failure. So nobody makes us ask others more often.
PAUSE_SECONDS = 30.0
STALE_SECONDS = 86_400.0

# What translates to IPv4: judged by the address that it stands for.
_NAT64 = ip_network("64:ff9b::/96")
# Public by its number, and yet the metadata service of the machine that asks.
_METADATA = frozenset({IPv4Address("168.63.129.16")})


class KeysUnavailable(Exception):
    """There are no keys to be had from a URL; says why. For audit and logs, not for callers."""


# --- Which keys there are ------------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """What this process knows of one URL; whoever holds the lock is the one that asks."""

    lock: Lock = field(default_factory=Lock)
    keys: tuple[VerificationKey, ...] = ()
    read_at: float = float("-inf")
    attempted_at: float = float("-inf")
    failure: str = ""

    def has(self, kid: str | None) -> bool:
        return kid is None or any(key.kid == kid for key in self.keys)

    def answers(self, kid: str | None, now: float) -> bool:
        """Whether nobody needs to be asked: the keys are fresh, or an attempt was just made."""
        is_fresh = now < self.read_at + FRESH_SECONDS
        return (is_fresh and self.has(kid)) or now < self.attempted_at + PAUSE_SECONDS

    def is_usable(self, now: float) -> bool:
        return bool(self.keys) and now < self.read_at + STALE_SECONDS


class RemoteKeys:
    """The keys of all URLs, as this process last saw them."""

    def __init__(
        self,
        read: Callable[[str], tuple[VerificationKey, ...]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read or fetch
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def keys(self, url: str, kid: str | None = None) -> tuple[VerificationKey, ...]:
        """The keys of a URL. Raises KeysUnavailable.

        Fresh for ten minutes; a `kid` that is not among them lets the URL be asked again. One
        request is under way for a URL at a time, and only those wait for its end whom the keys of
        before do not help. Old keys last for a day while the URL cannot be read.
        """
        known = self._known.setdefault(url, _Known())
        if not known.answers(kid, self._clock()):
            must_wait = not (known.is_usable(self._clock()) and known.has(kid))
            if known.lock.acquire(blocking=must_wait):
                try:
                    if not known.answers(kid, self._clock()):
                        self._ask(url, known)
                finally:
                    known.lock.release()
        if known.is_usable(self._clock()):
            return known.keys
        raise KeysUnavailable(known.failure)

    def forget(self) -> None:
        self._known.clear()

    def _ask(self, url: str, known: _Known) -> None:
        try:
            known.keys = self._read(url)
            known.read_at, known.failure = self._clock(), ""
        except KeysUnavailable as problem:
            known.failure = str(problem)
        finally:
            # From its end on: those who have waited for a failure must not repeat it.
            known.attempted_at = self._clock()


# --- Reading a URL -------------------------------------------------------------------------------


def fetch(url: str) -> tuple[VerificationKey, ...]:
    """The keys that are published at a URL, in two seconds in all. Raises KeysUnavailable."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise KeysUnavailable("the JWKS URL is not a URL") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url and parts.username is None
    if not host or not is_plain or parts.scheme not in {"https", "http"}:
        raise KeysUnavailable("the JWKS URL is not an https URL without credentials and blanks")
    deadline = time.monotonic() + SECONDS_IN_ALL
    try:
        with _connect(parts.scheme, host, port, deadline) as connection:
            body = _get(connection, parts, deadline)
        return jwks.of_text(body)
    except jwks.BadKeySet as problem:
        raise KeysUnavailable(f"the document at the JWKS URL {problem}") from None
    except TimeoutError:
        raise KeysUnavailable(
            f"the JWKS URL did not answer within {SECONDS_IN_ALL:g} seconds"
        ) from None
    except ssl.SSLError as problem:
        raise KeysUnavailable(
            f"the JWKS URL has no TLS that is trusted: {problem.reason}"
        ) from None
    except (OSError, ValueError, http.client.HTTPException) as problem:
        raise KeysUnavailable(f"the JWKS URL could not be read: {type(problem).__name__}") from None


def _connect(scheme: str, host: str, port: int, deadline: float) -> socket.socket:
    """A connection to one of the host's addresses that may be asked, and to that very one.

    The name is not looked up again: DNS may answer something else the second time. Plain http is
    for loopback alone, where nobody is between; and loopback must be allowed by the operator.
    """
    allowed = [address for address in _addresses(host, port, deadline) if may_ask(address)]
    if scheme == "http":
        allowed = [address for address in allowed if address.is_loopback]
    if not allowed:
        raise KeysUnavailable(
            "the JWKS URL is at no address that may be asked"
            + (" by plain http" if scheme == "http" else "")
        )
    connection = _connect_to_one_of(allowed[:MAX_ADDRESSES], port, deadline)
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

    Thread(target=ask, name="jwks-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=_left(deadline))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, list):
        return answer
    raise answer


def may_ask(address: Address) -> bool:
    """Whether an address is public, or in IDP_JWKS_ALLOWED_NETWORKS."""
    if any(address in network for network in settings.JWKS_ALLOWED_NETWORKS):
        return True
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return may_ask(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.is_site_local:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and address not in _METADATA
    )


def _get(connection: socket.socket, parts: SplitResult, deadline: float) -> bytes:
    """The body of a plain 200: no redirects, for they would lead past the checks above."""
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n"
        "Accept-Encoding: identity\r\nUser-Agent: idp\r\nConnection: close\r\n\r\n"
    )
    connection.settimeout(_left(deadline))
    connection.sendall(request.encode("ascii"))
    response = http.client.HTTPResponse(_Wire(connection, deadline))  # type: ignore[arg-type]
    try:
        response.begin()
        if response.status != http.client.OK:
            raise KeysUnavailable(f"the JWKS URL answered with status {response.status}")
        body = response.read(MAX_BODY_BYTES + 1)
    finally:
        response.close()
    if len(body) > MAX_BODY_BYTES:
        raise KeysUnavailable(f"the answer of the JWKS URL is larger than {MAX_BODY_BYTES} bytes")
    return body


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
            raise KeysUnavailable(
                f"the answer of the JWKS URL is larger than {MAX_BODY_BYTES} bytes"
            )
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


_remote_keys = RemoteKeys()
keys = _remote_keys.keys
forget = _remote_keys.forget
