"""Which client is asking, and whether it can prove it (RFC 6749 section 2.3)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from django.utils import timezone

from clients_admin import secrets
from clients_admin.directory import directory
from clients_admin.models import Client, ClientSecret
from idp.blocking import guard
from idp.blocking.guard import Failure
from idp.database import statements
from tokens import private_key_jwt
from tokens.assertions import Unverified
from tokens.errors import InvalidClient, InvalidRequest, UnauthorizedClient

METHODS = ("client_secret_basic", "client_secret_post", private_key_jwt.METHOD, "none")


class Presented(NamedTuple):
    """What a request says about its client; a secret or an assertion is None where it has none."""

    client_id: str
    secret: str | None
    assertion: Unverified | None = None


def authenticate(
    parameters: Mapping[str, str], authorization: str = "", *, address: str = ""
) -> Client:
    """The client of a request. A public client names itself, all others prove themselves.

    `authorization` is the header's value; what is wrong counts against `address`. Raises
    InvalidClient or InvalidRequest.
    """
    return _proven_before(parameters, authorization) or _prove(parameters, authorization, address)


def _prove(parameters: Mapping[str, str], authorization: str, address: str) -> Client:
    presented = read(parameters, authorization)
    client = directory.client(presented.client_id)
    if client is None or not client.is_active:
        if presented.secret is not None or presented.assertion is not None:
            guard.failed(address, what=Failure.CLIENT_SECRET, name=presented.client_id)
        raise InvalidClient(reason=f"unknown or inactive client {presented.client_id[:100]!r}")
    if not client.is_confidential:
        if presented.secret is not None or presented.assertion is not None:
            raise InvalidClient(reason="a public client showed a secret or an assertion")
        return client
    if presented.assertion is not None:
        statements.require_django()
        try:
            private_key_jwt.prove(client, presented.assertion, timezone.now())
        except InvalidClient:
            _count(client, Failure.CLIENT_ASSERTION, address)
            raise
        return client
    if presented.secret is None:
        raise InvalidClient(reason="no secret shown")
    used = secrets.use(client, presented.secret)
    if used is None:
        _count(client, Failure.CLIENT_SECRET, address)
        raise InvalidClient(reason="wrong or expired secret")
    if authorization:
        _remember(authorization, client, used)
    return client


# --- Headers that have proved their client --------------------------------------------------------

# By a digest, so that no secret lies in memory. It counts as long as the directory knows the very
# same client: with the least change of it, its secrets included, that is another one.
_proven: dict[bytes, tuple[Client, ClientSecret]] = {}
MAX_PROVEN = 10_000


def _proven_before(parameters: Mapping[str, str], authorization: str) -> Client | None:
    """The client that the same header has proved before; None where that has to be looked at."""
    if not authorization or not _BODY_NAMES.isdisjoint(parameters):
        return None
    found = _proven.get(_digest(authorization))
    if found is None:
        return None
    client, secret = found
    return client if directory.knows(client) and secrets.is_in_use(secret) else None


def _remember(authorization: str, client: Client, secret: ClientSecret) -> None:
    if directory.knows(client):
        if len(_proven) >= MAX_PROVEN:
            _proven.clear()
        _proven[_digest(authorization)] = client, secret


def _digest(authorization: str) -> bytes:
    return hashlib.blake2b(authorization.encode("latin-1", "replace"), digest_size=32).digest()


# What else a request can say of its client.
_BODY_NAMES = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type"})


def _count(client: Client, what: Failure, address: str) -> None:
    guard.failed(address, what=what, name=client.client_id, is_known=True)


def authenticate_confidential(
    parameters: Mapping[str, str], authorization: str = "", *, address: str = ""
) -> Client:
    """A client that has proved itself: naming a public client opens nothing."""
    client = authenticate(parameters, authorization, address=address)
    if not client.is_confidential:
        raise UnauthorizedClient(reason="a public client asked")
    return client


def read(parameters: Mapping[str, str], authorization: str) -> Presented:
    """RFC 6749 section 2.3: "MUST NOT use more than one authentication method in each request"."""
    in_body = Presented(parameters.get("client_id", ""), parameters.get("client_secret"))
    if authorization:
        in_header = _read_basic(authorization)
        if in_body.secret is not None or private_key_jwt.is_in(parameters):
            raise InvalidRequest("Use one method of client authentication, not two.")
        if in_body.client_id and in_body.client_id != in_header.client_id:
            raise InvalidRequest("The client_id differs from the authenticated client.")
        return in_header
    if private_key_jwt.is_in(parameters):
        return _read_assertion(parameters, in_body)
    if not in_body.client_id:
        raise InvalidClient(reason="no client named")
    return in_body


def _read_assertion(parameters: Mapping[str, str], in_body: Presented) -> Presented:
    if in_body.secret is not None:
        raise InvalidRequest("Use one method of client authentication, not two.")
    assertion = private_key_jwt.read(parameters)
    # RFC 7521 section 4.2: the client_id is "unnecessary", and "MUST identify the same client as is
    # identified by the client assertion".
    if in_body.client_id and in_body.client_id != assertion.subject:
        raise InvalidRequest("The client_id differs from the authenticated client.")
    return Presented(assertion.subject, None, assertion)


def _read_basic(authorization: str) -> Presented:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient(reason=f"authorization scheme {scheme[:20]!r}")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidClient(reason="unreadable Basic credentials") from None
    client_id, colon, secret = decoded.partition(":")
    if not colon or "\0" in decoded:
        raise InvalidClient(reason="unreadable Basic credentials")
    # RFC 6749 section 2.3.1: both are "encoded using the application/x-www-form-urlencoded".
    return Presented(_form_decode(client_id), _form_decode(secret))


def _form_decode(text: str) -> str:
    decoded = unquote(text.replace("+", " "), errors="replace")
    return decoded if "\0" not in decoded else ""
