"""What is wrong with a call, as problem details (RFC 9457)."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpResponse
from rest_framework import exceptions

from idp import problems
from tokens.errors import ProtocolError

SHOWN_CHARACTERS = 100


class InvalidBody(exceptions.ValidationError):
    """Fields of a body that are wrong."""


class InvalidQuery(exceptions.ValidationError):
    """Parameters of a query that are wrong."""


def answer(exception: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """The exception handler of the API; None for a fault of ours, which `idp.outage` answers."""
    match exception:
        case ProtocolError():
            return problems.response(
                exception.status_code,
                exception.error,
                str(exception.description),
                headers=exception.headers,
            )
        case exceptions.ValidationError():
            is_query = isinstance(exception, InvalidQuery)
            return problems.response(
                HTTPStatus.BAD_REQUEST,
                "invalid_request",
                f"The {'query' if is_query else 'body'} is not as it should be; see errors.",
                errors=_errors(exception.detail, is_query=is_query),
            )
        case Http404():
            return problems.response(
                HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this address."
            )
        case exceptions.MethodNotAllowed():
            return problems.response(
                HTTPStatus.METHOD_NOT_ALLOWED, "invalid_request", "This method is not for here."
            )
        case exceptions.UnsupportedMediaType():
            return problems.response(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "invalid_request", "Send application/json."
            )
    return None


def _errors(detail: Any, *, is_query: bool) -> Iterator[dict[str, str]]:
    """Of our serializers: `{field: [text, …]}`, or a list of texts about all of it."""
    by_field = detail if isinstance(detail, Mapping) else {"non_field_errors": detail}
    for field, texts in by_field.items():
        name = "" if field == "non_field_errors" else str(field)[:SHOWN_CHARACTERS]
        for text in texts:
            where = {"parameter": name} if is_query else {"pointer": _pointer(name)}
            yield {**({} if is_query and not name else where), "detail": str(text)}


def _pointer(name: str) -> str:
    """RFC 6901 section 6, as in the example of RFC 9457 section 3: the whole body, or a member."""
    escaped = name.replace("~", "~0").replace("/", "~1")
    return f"#/{escaped}" if name else "#"
