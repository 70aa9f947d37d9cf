"""What is wrong with a call, as problem details (RFC 9457)."""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpResponse
from rest_framework import exceptions

from clients_admin.configuration.document import ConfigurationError, Steps
from idp import problems
from tokens.errors import ProtocolError

SHOWN_CHARACTERS = 100


class InvalidBody(exceptions.ValidationError):
    """Fields of a body that are wrong."""


class InvalidQuery(exceptions.ValidationError):
    """Parameters of a query that are wrong."""


class Conflict(ProtocolError):
    """RFC 9110 section 15.5.10: "in conflict with the current state of the target resource"."""

    error = "conflict"
    status_code = HTTPStatus.CONFLICT
    description = "Somebody has changed something at the same moment. Try again."


class PreconditionFailed(ProtocolError):
    """RFC 9110 section 15.5.13."""

    error = "precondition_failed"
    status_code = HTTPStatus.PRECONDITION_FAILED
    description = "It is not as you have seen it. Read it again, then decide what to change."


class PreconditionRequired(ProtocolError):
    """RFC 6585 section 3: "to avoid the 'lost update' problem"."""

    error = "precondition_required"
    status_code = HTTPStatus.PRECONDITION_REQUIRED
    description = "Send If-Match with the ETag of what you have read."


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
        case ConfigurationError():
            return problems.response(
                HTTPStatus.BAD_REQUEST,
                "invalid_request",
                "The body is not as it should be; see errors.",
                errors=_places(exception.problems),
            )
    return _of_http(exception, context)


def _of_http(exception: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    match exception:
        case Http404():
            return problems.response(
                HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this address."
            )
        case exceptions.MethodNotAllowed():
            return problems.response(
                HTTPStatus.METHOD_NOT_ALLOWED, "invalid_request", "This method is not for here."
            )
        case exceptions.UnsupportedMediaType():
            return _unsupported(context["view"].get_parsers()[0].media_type)
    return None


def _unsupported(wanted: str) -> HttpResponse:
    """RFC 9110 section 15.5.16: by the Accept header field; RFC 5789 section 3.1: Accept-Patch."""
    header = "Accept-Patch" if "patch" in wanted else "Accept"
    return problems.response(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "invalid_request",
        f"Send {wanted}.",
        headers={header: wanted},
    )


def _places(found: Iterable[tuple[Steps, str]]) -> Iterator[dict[str, str]]:
    """Of the reader of configuration: each problem with the steps to its place."""
    for steps, text in found:
        yield {"pointer": _pointer(*steps), "detail": text}


def _errors(detail: Any, *, is_query: bool) -> Iterator[dict[str, str]]:
    """Of our serializers: `{field: [text, …]}`, or a list of texts about all of it."""
    by_field = detail if isinstance(detail, Mapping) else {"non_field_errors": detail}
    for field, texts in by_field.items():
        name = "" if field == "non_field_errors" else str(field)[:SHOWN_CHARACTERS]
        for text in texts:
            steps = [name] if name else []
            where = {"parameter": name} if is_query else {"pointer": _pointer(*steps)}
            yield {**({} if is_query and not name else where), "detail": str(text)}


def _pointer(*steps: str | int) -> str:
    """RFC 6901 section 6, as in the example of RFC 9457 section 3: the whole body, or a part."""
    escaped = (str(step)[:SHOWN_CHARACTERS].replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join(["#", *(f"/{step}" for step in escaped)])
