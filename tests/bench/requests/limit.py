"""What no server under Granian can be cheaper than: the body is read, a fixed answer given."""

from collections.abc import Callable, Iterable
from typing import Any

BODY = b'{"active": true}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
    start_response("200 OK", HEADERS)
    return [BODY]
