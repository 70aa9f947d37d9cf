"""`/metrics`: what all processes of this instance have counted, for who asks from inside."""

from ipaddress import ip_address

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

# A proxy has been here, so it came from outside whoever the peer is.
FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """To all others there is nothing here, whatever the method."""
    if not is_from_inside(request):
        raise Http404
    return exposition(request)


def is_from_inside(request: HttpRequest) -> bool:
    """Whether the peer itself is in IDP_INTERNAL_NETWORKS, and speaks for itself."""
    if any(name in request.META for name in FORWARDED):
        return False
    try:
        peer = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    # A server that listens on [::] sees IPv4 peers as ::ffff:192.0.2.1.
    peer = getattr(peer, "ipv4_mapped", None) or peer
    return any(peer in network for network in settings.INTERNAL_NETWORKS)


@require_safe
def exposition(request: HttpRequest) -> HttpResponse:
    response: HttpResponse = ExportToDjangoView(request)
    response.headers["Cache-Control"] = "no-store"
    return response
