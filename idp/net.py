"""Where a request comes from."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest

# A proxy that has been here says so in one of these, so the request came from outside whoever the
# peer is.
_FORWARDED = frozenset({"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP"})
_FORWARDED_PREFIX = "HTTP_X_FORWARDED_"


def is_from_inside(request: HttpRequest) -> bool:
    """Whether the peer itself is in IDP_INTERNAL_NETWORKS, and speaks for itself."""
    if any(_tells_of_a_proxy(name) for name in request.META):
        return False
    try:
        peer = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    # A server that listens on [::] sees IPv4 peers as ::ffff:192.0.2.1.
    peer = getattr(peer, "ipv4_mapped", None) or peer
    return any(peer in network for network in settings.INTERNAL_NETWORKS)


def _tells_of_a_proxy(name: str) -> bool:
    return name in _FORWARDED or name.startswith(_FORWARDED_PREFIX)
