"""The stylesheet with a brand's colours: the only part of a page's look that a brand changes."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from branding.models import Brand


@require_safe
def stylesheet(request: HttpRequest, slug: str) -> HttpResponse:
    """`/brand/<slug>.css`: custom properties for pages.css. Public: colours are no secret."""
    brand = Brand.objects.filter(slug=slug).only("primary_color").first()
    if brand is None:
        # Not Http404: its page may repeat the path, and this answer goes to anybody.
        return HttpResponseNotFound(
            headers={"Content-Type": "text/plain", "Cache-Control": "no-store"}
        )
    palette = brand.palette
    response = HttpResponse(
        palette.css,
        headers={
            "Content-Type": "text/css; charset=utf-8",
            "Cache-Control": "public, max-age=3600",
            "ETag": f'"{palette.version}"',
        },
    )
    return get_conditional_response(request, etag=response["ETag"], response=response) or response
