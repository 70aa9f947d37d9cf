"""The fast lane: what every request of a gateway pays for, in front of Django and its middleware.

The same endpoints answer here and there; what is left out is everything around them. An endpoint
runs *alone* here (`idp.database.statements`): its client, scopes and keys come from what the
process knows, each of its statements is its own transaction. Whatever wants more than that, is not
known yet, or cannot be told apart at a glance is handed to Django, which is the reference: nothing
has been written by then. Both answer byte for byte the same.
"""

import logging
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from io import BytesIO
from typing import Any

import psycopg
from django.conf import settings
from django.utils import timezone
from django.utils.csp import CSP

from idp import metrics, net
from idp.blocking import guard
from idp.blocking.refusal import refusal as refusal_of
from idp.database import statements
from idp.database.changes import changes
from idp.ops.request_metrics import FastLaneMetrics
from tokens import client_addresses, wire
from tokens.endpoints.introspect import introspect
from tokens.endpoints.token import token
from tokens.endpoints.userinfo import userinfo
from tokens.kept_answers import Header, KeptAnswers, Ready, key_of

type Environ = dict[str, Any]
type Endpoint = Callable[[wire.Call], wire.Answer]

log = logging.getLogger(__name__)

_STATUS_LINES = {int(status): f"{status.value} {status.phrase}" for status in HTTPStatus}


def _always_sent(*, secure: bool) -> list[Header]:
    """What Django's middleware adds to an answer for programs; see MIDDLEWARE."""
    headers = {
        CSP.HEADER_ENFORCE: wire.CONTENT_SECURITY_POLICY,
        "X-Frame-Options": settings.X_FRAME_OPTIONS,
    }
    if secure:
        hsts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
        hsts += ["includeSubDomains"] if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else []
        hsts += ["preload"] if settings.SECURE_HSTS_PRELOAD else []
        headers |= {"Strict-Transport-Security": "; ".join(hsts)}
    headers |= {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
        "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
    }
    return list(headers.items())


class FastLane:
    """One endpoint, as the fast lane answers it."""

    def __init__(self, view: Any, methods: Iterable[str], kept: KeptAnswers) -> None:
        self._endpoint: Endpoint = view.answer
        self._methods = frozenset(methods)
        self._kept = kept
        self._name = f"{view.__module__}.{view.__name__}"
        self._metrics = FastLaneMetrics(self._name)

    def answer(self, environ: Environ) -> Ready | None:
        """The answer, or None for what is Django's to answer."""
        started_at = time.monotonic()
        method = environ["REQUEST_METHOD"]
        length = _length_at_a_glance(environ, method)
        if length is None or method not in self._methods:
            return None
        body = environ["wsgi.input"].read(length) if length else b""
        key = self._key(environ, method, body) if self._kept.seconds else b""
        ready = self._kept.get(key) or self._alone(environ, body, key, started_at)
        if ready is None:
            environ["wsgi.input"] = BytesIO(body)
            return None
        self._metrics.count(method, ready[0], time.monotonic() - started_at)
        return ready

    def _key(self, environ: Environ, method: str, body: bytes) -> bytes:
        """All of a request that an answer depends on."""
        return key_of(
            self._name,
            method,
            environ.get("HTTP_AUTHORIZATION", ""),
            environ.get("HTTP_ACCEPT", ""),
            environ.get("HTTP_ORIGIN", ""),
            environ.get("HTTP_X_FORWARDED_PROTO", ""),
            body,
        )

    def _alone(self, environ: Environ, body: bytes, key: bytes, started_at: float) -> Ready | None:
        call = wire.Call(
            environ, environ["REQUEST_METHOD"], environ.get("CONTENT_TYPE", ""), lambda _: body
        )
        try:
            with statements.alone():
                found = wire.answered(self._endpoint, call)
        except (statements.NotAlone, psycopg.Error):
            return None
        except Exception:
            log.exception("The fast lane failed; Django answers")
            return None
        headers = [*found.headers.items(), *_SENT[_is_secure(environ)]]
        ready = found.status, headers, [found.body]
        if key and found.keepable is not None:
            self._kept.keep(key, ready, found.keepable(), started_at)
        return ready


def _length_at_a_glance(environ: Environ, method: str) -> int | None:
    """The length of the body; None for all that is not plainly a request as it should be."""
    if environ.get("QUERY_STRING") or "HTTP_TRANSFER_ENCODING" in environ:
        return None
    if "HTTP_COOKIE" in environ:  # Django's sessions may have something to say to a browser.
        return None
    if _HTTPS and environ.get("HTTP_X_FORWARDED_PROTO", "https") != "https":
        return None
    if method == "GET":
        return 0 if environ.get("CONTENT_LENGTH", "0") in {"", "0"} else None
    length = environ.get("CONTENT_LENGTH", "")
    if environ.get("CONTENT_TYPE") != wire.FORM or not (length.isascii() and length.isdigit()):
        return None
    return int(length) if len(length) <= _LENGTH_DIGITS else None


# A body of more is too large, which Django says.
_LENGTH_DIGITS = len(str(wire.MAX_BODY_BYTES)) - 1


def _is_secure(environ: Environ) -> bool:
    return _HTTPS and environ.get("HTTP_X_FORWARDED_PROTO") == "https"


_HTTPS: bool = settings.HTTPS
_SENT = {is_secure: _always_sent(secure=is_secure) for is_secure in (False, True)}
_KEPT = KeptAnswers(settings.INTROSPECTION_CACHE_SECONDS)

LANES: dict[str, FastLane] = {
    "/oauth2/introspect": FastLane(introspect, ["POST"], _KEPT),
    "/oauth2/token": FastLane(token, ["POST"], _KEPT),
    "/oauth2/userinfo": FastLane(userinfo, ["GET", "POST"], _KEPT),
}


def _refused(address: str, environ: Environ) -> Ready | None:
    """What a blocked address is answered, as by `idp.blocking.middleware`; None for any other.

    Raises psycopg.Error where that is not known and cannot be asked.
    """
    now = timezone.now()
    with statements.alone():
        block = guard.blocked(address, now)
    if block is None:
        return None
    if length := _length_at_a_glance(environ, environ["REQUEST_METHOD"]):
        # The proxy sends other people's requests on the same connection, which an unread body ends.
        environ["wsgi.input"].read(length)
    metrics.count(metrics.BLOCKED_REQUESTS, answer="json")
    refusal = refusal_of(block, now)
    headers = [*refusal.headers.items(), *_SENT[_is_secure(environ)]]
    return refusal.status, headers, [refusal.body]


def answer(
    environ: Environ, start_response: Callable[[str, list[Header]], Any]
) -> list[bytes] | None:
    """A WSGI application for some requests; None for those that are Django's."""
    lane = LANES.get(environ["PATH_INFO"])
    if lane is None or not changes.is_live or client_addresses.HEADER in environ:
        return None
    address = environ[net.ADDRESS] = net.client_address(environ)
    try:
        refused = None if guard.is_known_free(address) else _refused(address, environ)
    except psycopg.Error:
        return None
    ready = refused or lane.answer(environ)
    if ready is None:
        return None
    status, headers, body = ready
    start_response(_STATUS_LINES[status], headers)
    return body
