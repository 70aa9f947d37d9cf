"""What a browser keeps for us beside Django's session: cookies that scripts cannot read.

Views say here what is to be kept; the middleware writes it on the answer.
"""

import re
import secrets
from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

# Names the browser that came with a pushed request; see `tokens.pushed`.
BROWSER_COOKIE = f"{settings.COOKIE_PREFIX}idp-browser"
# The sessions of accounts that are signed in beside the active one; see `session`.
ACCOUNTS_COOKIE = f"{settings.COOKIE_PREFIX}idp-accounts"
_BROWSER = re.compile(r"\A[A-Za-z0-9_-]{43}\Z")
_CHANGES = "_idp_cookies"


class BrowserMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return response  # Nothing was done; Django leaves the session's cookie as it was, too.
        for name, value in getattr(request, _CHANGES, {}).items():
            if value:
                response.set_cookie(
                    name,
                    value,
                    max_age=settings.SESSION_COOKIE_AGE,
                    secure=settings.SESSION_COOKIE_SECURE,
                    httponly=True,
                    samesite="Lax",
                )
            else:
                response.delete_cookie(name, samesite="Lax")
        return response


def kept(request: HttpRequest, name: str) -> str:
    """A cookie as the answer will leave it."""
    changes: dict[str, str] = getattr(request, _CHANGES, {})
    return changes.get(name, request.COOKIES.get(name, ""))


def keep(request: HttpRequest, name: str, value: str) -> None:
    """An empty value takes the cookie away."""
    setattr(request, _CHANGES, {**getattr(request, _CHANGES, {}), name: value})


def name_of(request: HttpRequest) -> str:
    """What tells this browser from others; it is given a name where it has none."""
    if not _BROWSER.match(name := kept(request, BROWSER_COOKIE)):
        keep(request, BROWSER_COOKIE, name := secrets.token_urlsafe(32))
    return name
