"""The `rest` login service: a server of the operator's that speaks a small contract over HTTP.

docs/login-services.md has the contract, docs/examples/rest-login-service.py a server that keeps it.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from idp.accounts import circuit, credentials
from idp.accounts.foreign_identity import identity
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Identity, Outage, Outcome, Refused, UnusableAnswer
from idp.accounts.rest_wire import Answer, ask
from idp.accounts.service_settings import RESTSettings

LOCKED = "locked account"
# What a server, or a proxy before it, says while it is away for a moment.
_PASSING = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


def check(service: LoginService, username: str, password: str) -> Outcome:
    """Sent once and never again: the server may count failed attempts."""
    if credentials.are_malformed(username, password):
        return Refused("malformed credentials")

    def verify() -> Outcome:
        settings = service.read_settings(RESTSettings)
        body = {"username": username, "password": password}
        answer = ask(settings, "POST", "/verify", body)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return Refused("wrong user name or password")
        return _user(answer)

    return circuit.ask(service, verify)


def find(service: LoginService, external_id: str) -> Outcome:
    """Whom the server knows by that id, in the one spelling that it has; with their profile."""
    if credentials.are_malformed(external_id, external_id):
        return Refused("malformed external id")

    def look_up() -> Outcome:
        settings = service.read_settings(RESTSettings)
        answer = _twice(lambda: ask(settings, "GET", _path(external_id)))
        if answer.status == HTTPStatus.NOT_FOUND:
            return _unknown(answer)
        found = _user(answer)
        if isinstance(found, Identity) and found.external_id != external_id:
            return Refused("malformed external id")
        return found

    return circuit.ask(service, look_up)


def lock(service: LoginService, external_id: str, reason: str) -> Outcome:
    """Has the account locked where it lives; the answer is `Refused` with LOCKED where it now is.

    Locking twice is locking once, so it is repeated where the first answer was lost.
    """

    def do() -> Outcome:
        settings = service.read_settings(RESTSettings)
        path = f"{_path(external_id)}/lock"
        answer = _twice(lambda: ask(settings, "POST", path, {"reason": reason}))
        if answer.status == HTTPStatus.NO_CONTENT:
            return Refused(LOCKED)
        if answer.status == HTTPStatus.NOT_FOUND:
            return _unknown(answer)
        raise _unexpected(answer)

    return circuit.ask(service, do)


def _twice(question: Callable[[], Answer]) -> Answer:
    """For what may be asked again without a second effect."""
    try:
        answer = question()
    except Outage:
        return question()
    return question() if answer.status in _PASSING else answer


def _path(external_id: str) -> str:
    return f"/users/{quote(external_id, safe='')}"


def _user(answer: Answer) -> Outcome:
    if answer.status == HTTPStatus.LOCKED:
        return Refused(LOCKED)
    if answer.status != HTTPStatus.OK:
        raise _unexpected(answer)
    said: dict[str, Any] = answer.body or {}
    claims = said.get("claims", {})
    if not isinstance(claims, dict):
        raise UnusableAnswer("its answer has claims that are no object")
    return identity(said.get("external_id"), said.get("username"), claims)


def _unknown(answer: Answer) -> Refused:
    """A 404 says that there is no such user only in the words of the contract: any web server
    answers one for an address that it does not know."""
    if not answer.body or answer.body.get("reason") != "unknown":
        raise _unexpected(answer)
    return Refused("unknown external id")


def _unexpected(answer: Answer) -> Outage:
    is_sick = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return (Outage if is_sick else UnusableAnswer)(f"it answered with status {answer.status}")
