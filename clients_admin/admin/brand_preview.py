"""Each page of a brand as it would look with what stands in its form, unsaved.

The only pages of ours that may be in a frame, and only in one of our own. Nothing can be done on
them: they are inert, sandboxed, and may send no form. Nothing is saved, and no session is touched.
"""

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.middleware.csp import get_nonce
from django.shortcuts import get_object_or_404
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_http_methods

from branding.languages import CODES, LANGUAGES
from branding.models import Brand
from branding.previews import BY_SLUG, PREVIEWS, page
from clients_admin.admin.site import OPERATOR_CSP

if TYPE_CHECKING:
    from clients_admin.admin.brands import BrandAdmin

POLICY: dict[str, Any] = {
    **settings.SECURE_CSP,
    "script-src": [CSP.NONE],
    "style-src": [CSP.SELF, CSP.NONCE],
    # What was chosen and is not stored has no address yet.
    "font-src": [CSP.SELF, "data:"],
    "form-action": [CSP.NONE],
    "frame-ancestors": [CSP.SELF],
    # Without it, files of our own would come from another origin.
    "sandbox": ["allow-same-origin"],
}
# Of the page with the frame.
FRAMING: dict[str, Any] = {**OPERATOR_CSP, "frame-src": [CSP.SELF]}
SCHEMES = (("light", "Light"), ("dark", "Dark"))
WIDTHS = (("desktop", "Desktop"), ("phone", "Phone"))


def preview_view(admin: "BrandAdmin") -> Callable[..., HttpResponse]:
    @csp_override(POLICY)
    @require_http_methods(["GET", "HEAD", "POST"])
    def view(request: HttpRequest, brand_pk: int | None = None) -> HttpResponse:
        brand = _unsaved(request, admin, brand_pk) if request.method == "POST" else None
        if brand is None:
            if brand_pk is None or not admin.has_view_permission(request):
                raise PermissionDenied
            brand = get_object_or_404(Brand, pk=brand_pk)
        asked = request.POST if request.method == "POST" else request.GET
        preview = BY_SLUG.get(asked.get("preview_page", ""), PREVIEWS[0])
        wish = asked.get("preview_language", "")
        language = wish if wish in CODES else brand.languages[0]
        scheme = "dark" if asked.get("preview_scheme") == "dark" else "light"
        return HttpResponse(
            page(brand, preview, language, scheme, get_nonce(request)),
            headers={
                "Cache-Control": "no-store",
                "Content-Language": language,
                "X-Frame-Options": "SAMEORIGIN",
            },
        )

    return view


def _unsaved(request: HttpRequest, admin: "BrandAdmin", brand_pk: int | None) -> Brand:
    """The brand with what is right in the form; what is wrong in it stays as it is."""
    stored = get_object_or_404(Brand, pk=brand_pk) if brand_pk else None
    may = admin.has_change_permission(request) if stored else admin.has_add_permission(request)
    if not may:
        raise PermissionDenied
    form_class = admin.get_form(request, stored, change=stored is not None)
    form = form_class(request.POST, request.FILES, instance=copy(stored))
    form.is_valid()
    brand: Brand = form.instance
    fields = {field.name for field in Brand._meta.concrete_fields}
    for wrong in fields.intersection(form.errors):
        setattr(brand, wrong, getattr(stored or Brand(), wrong))
    return brand


def controls(brand: Brand | None, *, may_change: bool) -> dict[str, Any]:
    """What the panel beside the form offers."""
    return {
        "pages": [(preview.slug, preview.label) for preview in PREVIEWS],
        "languages": LANGUAGES,
        "language": brand.languages[0] if brand else "",
        "schemes": SCHEMES,
        "widths": WIDTHS,
        "may_change": may_change,
    }
