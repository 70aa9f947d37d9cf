"""Where a request comes from: the peer, or whom our own proxies say that they speak for."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest

# A proxy that has been here says so in one of these, so the request came from outside whoever the
# peer is.
_FORWARDED = frozenset({"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP"})
_FORWARDED_PREFIX = "HTTP_X_FORWARDED_"

# Where the address stands once it is known, in the environ of WSGI that all share. No header of a
# request can get there.
ADDRESS = "idp.client_address"
# Beside it, where an application has vouched for it and the request itself comes from elsewhere.
IS_ASSERTED = "idp.client_address_is_asserted"

# More proxies than anybody has in a row, and more characters than an address with a port needs.
MAX_HOPS = 20
MAX_HOP_CHARACTERS = 80


def is_from_inside(request: HttpRequest) -> bool:
    """Whether the peer itself is in IDP_INTERNAL_NETWORKS, and speaks for itself."""
    if any(_tells_of_a_proxy(name) for name in request.META):
        return False
    peer = parse_address(request.META.get("REMOTE_ADDR", ""))
    return peer is not None and any(peer in network for network in settings.INTERNAL_NETWORKS)


def is_own_proxy(peer: str) -> bool:
    """Whether a peer is in IDP_TRUSTED_PROXIES."""
    return _hop(peer)[1]


def address_of(request: HttpRequest) -> str:
    """The address that a request counts for: what the middleware has found out already, if it
    has; "" where there is none."""
    return address_in(request.META)


def address_in(meta: Mapping[str, Any]) -> str:
    """As `address_of`, of an environ."""
    known = meta.get(ADDRESS)
    return client_address(meta) if known is None else str(known)


def client_address(meta: Mapping[str, Any]) -> str:
    """The address that a request comes from, in the one spelling that it has; "" where the peer
    has none (a socket file).

    X-Forwarded-For is read from the right: each proxy appends whom it has the request from, so
    what stands there was written by the peer, what is left of it by whoever that was, and so on.
    An entry counts where its writer is in IDP_TRUSTED_PROXIES. What is no address counts for
    nothing, and whoever passed it on is where the request comes from.
    """
    address, is_trusted = _hop(meta.get("REMOTE_ADDR", ""))
    if is_trusted and (forwarded := meta.get("HTTP_X_FORWARDED_FOR")):
        for entry in reversed(forwarded.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
            text = entry.strip()
            if not text:  # RFC 9110 section 5.6.1.2: empty elements are ignored.
                continue
            hop, is_trusted = _hop(text)
            if not hop:
                break
            address = hop
            if not is_trusted:
                break
    return address


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address within `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `fe80::1%eth0` or
    `[2001:db8::1]:80`; None for what holds none.

    An IPv4 address that is written as IPv6 is the IPv4 address: a server that listens on [::] sees
    all peers so.
    """
    if len(text) > MAX_HOP_CHARACTERS:
        return None
    if text.startswith("["):
        inner, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
        text = inner
        if ":" not in text:
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_port(text: str) -> bool:
    return text[0] == ":" and text[1:].isascii() and text[1:].isdecimal()


def _hop(text: str) -> tuple[str, bool]:
    """An address in its one spelling, and whether it is of a proxy of ours; "" for garbage."""
    return _known_hop(text) if len(text) <= MAX_HOP_CHARACTERS else ("", False)


@lru_cache(maxsize=8192)
def _known_hop(text: str) -> tuple[str, bool]:
    address = parse_address(text)
    if address is None:
        return "", False
    return str(address), any(address in network for network in settings.TRUSTED_PROXIES)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "TRUSTED_PROXIES":
        _known_hop.cache_clear()


setting_changed.connect(_forget)


def _tells_of_a_proxy(name: str) -> bool:
    return name in _FORWARDED or name.startswith(_FORWARDED_PREFIX)
