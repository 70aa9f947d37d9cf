"""`/metrics`: what all processes of this instance have counted, for who asks from inside."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from idp import net


@csrf_exempt
def metrics(request: HttpRequest) -> HttpResponse:
    """To all others there is nothing here, whatever the method."""
    if not net.is_from_inside(request):
        raise Http404
    return exposition(request)


@require_safe
def exposition(request: HttpRequest) -> HttpResponse:
    response: HttpResponse = ExportToDjangoView(request)
    response.headers["Cache-Control"] = "no-store"
    return response
