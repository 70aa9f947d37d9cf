"""A few requests one after the other, every answer read: before anything is measured."""

import http.client
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.bench.requests.lines import Operation
from tests.bench.requests.wrk import WrongAnswersError

SHOWN_CHARACTERS = 300


def ask(url: str, operation: Operation, lines: Sequence[tuple[str, str]]) -> None:
    """Raises WrongAnswersError at the first answer that is not right."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        for authorization, token in lines:
            _check(operation, *_answer(connection, operation, authorization, token))
    finally:
        connection.close()


def _answer(
    connection: http.client.HTTPConnection, operation: Operation, authorization: str, token: str
) -> tuple[int, str]:
    request = operation.request
    headers = {"Authorization": authorization, "Accept": request.accept}
    if request.body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    body = request.body.replace("{token}", token) or None
    connection.request(request.method, request.path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def _check(operation: Operation, status: int, body: str) -> None:
    wanted = status == http.HTTPStatus.OK and re.search(operation.answer, body)
    if not wanted or (operation.never and re.search(operation.never, body)):
        shown = body[:SHOWN_CHARACTERS]
        raise WrongAnswersError(f"{operation.request.path} answered {status}: {shown}")
