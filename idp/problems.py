"""Problem details (RFC 9457): how the REST API says what went wrong, on whichever floor it did."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"
_PLACE = "/api/"


def are_spoken_at(path: str) -> bool:
    """Whether a refusal at this path is a problem, and not the JSON of OAuth or a page."""
    return path.startswith(_PLACE)


def body(status: int, code: str, detail: str, errors: Iterable[Mapping[str, str]] = ()) -> bytes:
    """Section 3.1. `code` is ours, for programs; each of `errors` names what it is about, by a
    `pointer` into the body or by a `parameter` of the query, with its `detail`.

    Section 4.2.1: with "about:blank" the title "SHOULD be the same as the recommended HTTP status
    phrase".
    """
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
    }
    if listed := [dict(error) for error in errors]:
        problem["errors"] = listed
    return json.dumps(problem).encode()


def response(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Iterable[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The whole answer, which nobody keeps."""
    own = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    answer = HttpResponse(
        body(status, code, detail, errors), status=status, headers={**(headers or {}), **own}
    )
    answer.speaks_no_language = True  # type: ignore[attr-defined]
    return answer
