"""What a brand's pages load: its stylesheet, and its logo, icon and font. Public: all of it is seen
by whoever opens a page."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils.cache import get_conditional_response
from django.utils.csp import CSP
from django.views.decorators.http import require_safe

from branding.look import css_of
from branding.models import Brand, BrandFile
from branding.stylesheet import version
from branding.uploads import MEDIA_TYPES

# The name is the hash of the content, so what is there will never be something else.
_FOREVER = "public, max-age=31536000, immutable"
# An SVG that somebody opens by its address is a document: it runs and loads nothing.
_INERT = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"


@require_safe
def stylesheet(request: HttpRequest, slug: str) -> HttpResponse:
    """`/brand/<slug>.css`: what comes after pages.css."""
    brand = Brand.objects.filter(slug=slug).first()
    if brand is None:
        return _nothing()
    css = css_of(brand)
    response = HttpResponse(
        css,
        headers={
            "Content-Type": "text/css; charset=utf-8",
            "Cache-Control": "public, max-age=3600",
            "ETag": f'"{version(css)}"',
        },
    )
    return get_conditional_response(request, etag=response["ETag"], response=response) or response


@require_safe
def file(request: HttpRequest, name: str) -> HttpResponse:
    """`/brand/files/<hash>.<kind>`."""
    stem, _, extension = name.rpartition(".")
    found = (
        BrandFile.objects.filter(name=name).first()
        if extension in MEDIA_TYPES and stem.isalnum() and stem.isascii()
        else None
    )
    if found is None:
        return _nothing()
    response = HttpResponse(
        bytes(found.content),
        headers={
            "Content-Type": MEDIA_TYPES[extension],
            "Cache-Control": _FOREVER,
            "ETag": f'"{stem}"',
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            CSP.HEADER_ENFORCE: _INERT,
        },
    )
    response.speaks_no_language = True  # type: ignore[attr-defined]
    return get_conditional_response(request, etag=response["ETag"], response=response) or response


def _nothing() -> HttpResponse:
    # Not Http404: its page may repeat the path, and this answer goes to anybody.
    return HttpResponseNotFound(headers={"Content-Type": "text/plain", "Cache-Control": "no-store"})
