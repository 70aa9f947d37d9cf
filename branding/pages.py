"""Renders an end-user page: in the brand's look and language, never stored, never referred to."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise

from branding import overrides
from branding.hosts import brand_at
from branding.look import Look, look_of
from branding.models import Brand
from branding.page_language import address_of, choices, language_for


def render_page(
    request: HttpRequest,
    template: str,
    brand: Brand | None,
    status: int = 200,
    **context: object,
) -> HttpResponse:
    """One of `branding/*.html` with the context that its first comment names. Without a brand, that
    of the request's host.

    The language is active only while rendering: pass lazy translations (`gettext_lazy`).
    """
    brand = brand or brand_at(request)
    language = language_for(request, brand)
    look = look_of(brand, language) if brand else None
    said = {**context, "languages": choices(request, brand, status)}
    return _answer(written(template, look, language, said, request), language, status)


def written(
    template: str,
    look: Look | None,
    language: str,
    context: dict[str, Any],
    request: HttpRequest | None = None,
) -> str:
    """The page's HTML, by the template as the brand has it."""
    with translation.override(language):
        said = {**context, "brand": look, "language": language}
        return overrides.render(look.slug if look else "", template, said, request)


def render_error(  # noqa: PLR0913, PLR0917 (what the page shows, nothing more)
    request: HttpRequest,
    brand: Brand | None,
    heading: str | Promise,
    message: str | Promise,
    reference: str = "",
    status: int = 400,
    again: str | Promise = "",
) -> HttpResponse:
    """The error page. Needs no database, session or context processor, so it shows in an outage.

    `again` is the text of a button that asks for the same address once more.
    """
    brand = brand or brand_at(request)
    language = language_for(request, brand)
    said = {
        "languages": choices(request, brand, status),
        "title": heading,
        "heading": heading,
        "message": message,
        "reference": reference,
        "again": again,
        "again_url": address_of(request),
    }
    look = look_of(brand, language) if brand else None
    return _answer(written("branding/error.html", look, language, said), language, status)


def _answer(body: str, language: str, status: int) -> HttpResponse:
    response = HttpResponse(
        body,
        status=status,
        headers={
            "Cache-Control": "no-store",
            "Content-Language": language,
            # Not no-referrer: browsers then post our own forms with `Origin: null`, and the CSRF
            # check refuses them. Other sites get no more from this: nothing.
            "Referrer-Policy": "same-origin",
        },
    )
    patch_vary_headers(response, ["Accept-Language", "Cookie"])
    return response
