"""The path of a request, as logs and audit may hold it."""

from django.http import HttpRequest
from django.urls import Resolver404, resolve

UNKNOWN = "…"


def shown(request: HttpRequest) -> str:
    """As our table of addresses says it: what stands in place of `<str:token>` opens an account,
    and what is in no table could hold anything."""
    try:
        return f"/{resolve(request.path_info).route}"
    except Resolver404:
        return UNKNOWN
