"""In which language a page is written: who decides it, and how a visitor chooses another.

A link of the language switch is the address of the page itself with `page_language` in its query.
The choice is kept in a cookie and the page asked for again without it, so that whatever else the
query says, an authorization request for one, stays as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils.encoding import escape_uri_path, iri_to_uri
from django.utils.http import escape_leading_slashes

from branding.languages import CODES, LANGUAGES, best_language, first_offered
from branding.models import Brand

PARAMETER = "page_language"
# OpenID Connect Core 1.0 section 3.1.2.1, "ordered by preference"; nobody speaks more.
MAX_UI_LOCALES = 10
FIRST_ERROR_STATUS = 400


def language_for(request: HttpRequest, brand: Brand | None) -> str:
    """Of the brand's languages: the one chosen on a page; else the one that the application asks
    for (`ui_locales`); else the one that the browser likes best."""
    offered = brand.languages if brand else CODES
    return first_offered(_wishes(request), offered) or best_language(
        request.headers.get("Accept-Language", ""), offered
    )


def _wishes(request: HttpRequest) -> Iterator[str]:
    yield _chosen_in(request)
    yield request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    # A pushed authorization request is not in the query: who has read it says so.
    asked: str | None = getattr(request, "ui_locales", None)
    yield from (asked or _query(request).get("ui_locales", "")).split()[:MAX_UI_LOCALES]


def _query(request: HttpRequest) -> QueryDict:
    """Of a request that says more than Django reads, nothing: its page has a language all the
    same."""
    try:
        return request.GET
    except SuspiciousOperation:
        return QueryDict()


def _chosen_in(request: HttpRequest) -> str:
    """What a link of the switch says; programs and their queries are read by their endpoints."""
    wish = f"{PARAMETER}="
    found = (part.removeprefix(wish) for part in _parts(request) if part.startswith(wish))
    return next((code for code in found if code in CODES), "")


def _parts(request: HttpRequest) -> list[str]:
    query: str = request.META.get("QUERY_STRING", "")
    return query.split("&")


def ask_for(request: HttpRequest, ui_locales: str) -> None:
    """Says in which languages the application wants the pages of this request."""
    request.ui_locales = ui_locales  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Choice:
    """One link of the language switch."""

    code: str
    name: str
    address: str


def choices(request: HttpRequest, brand: Brand | None, status: int) -> list[Choice]:
    """The links of a page's switch; none where a form has just done something, because that page
    is said once, and asking for its address again would say something else."""
    offered = brand.languages if brand else CODES
    is_said_once = request.method == "POST" and status < FIRST_ERROR_STATUS
    if is_said_once or len(offered) == 1 or getattr(request, "holds_credentials", False):
        return []
    return [
        Choice(code, name, address_of(request, f"{PARAMETER}={code}"))
        for code, name in LANGUAGES
        if code in offered
    ]


class PageLanguageMiddleware(LocaleMiddleware):
    """Says the language of pages, and keeps the one that a visitor chooses.

    What programs read has no language, whatever their request accepts.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]
        if request.method in {"GET", "HEAD"} and (language := _chosen_in(request)):
            return _chosen(request, language)
        super().process_request(request)
        return None

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if getattr(response, "speaks_no_language", False):
            return response
        return super().process_response(request, response)


def _chosen(request: HttpRequest, language: str) -> HttpResponse:
    response = HttpResponse(
        status=303, headers={"Location": address_of(request), "Cache-Control": "no-store"}
    )
    response.speaks_no_language = True  # type: ignore[attr-defined]
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=settings.LANGUAGE_COOKIE_PATH,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )
    return response


def address_of(request: HttpRequest, *more: str) -> str:
    """The page's own address without a choice of language, byte for byte; never another host's."""
    kept = [part for part in _parts(request) if part and part.partition("=")[0] != PARAMETER]
    path = escape_leading_slashes(escape_uri_path(request.path))
    query = iri_to_uri("&".join([*kept, *more]))
    return f"{path}?{query}" if query else path
