"""A client proves itself by a JWT that it has signed, and shows no secret.

RFC 7523 section 2.2, and `private_key_jwt` in OpenID Connect Core 1.0 section 9.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings

from clients_admin.models import Client
from idp import jwks
from idp.accounts.models import ALGORITHMS
from idp.audit.details import without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.spent_assertions import spend
from tokens import assertions
from tokens.assertions import BadAssertion, Unverified
from tokens.errors import InvalidClient, InvalidRequest

METHOD = "private_key_jwt"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFETIME = timedelta(seconds=300)


def is_in(parameters: Mapping[str, str]) -> bool:
    return "client_assertion" in parameters or "client_assertion_type" in parameters


def read(parameters: Mapping[str, str]) -> Unverified:
    """The client assertion of a request; nobody has looked at its signature yet.

    Raises InvalidRequest or InvalidClient.
    """
    if "client_assertion" not in parameters or "client_assertion_type" not in parameters:
        raise InvalidRequest("client_assertion and client_assertion_type come together.")
    if parameters["client_assertion_type"] != ASSERTION_TYPE:
        raise InvalidClient(reason="unknown client_assertion_type")
    try:
        unverified = assertions.read(parameters["client_assertion"])
        # OpenID Connect Core 1.0 section 9: iss and sub both "MUST contain the client_id".
        if unverified.issuer != unverified.subject:
            raise BadAssertion("iss and sub differ")
    except BadAssertion as problem:
        raise InvalidClient(reason=f"client assertion: {problem.reason}") from None
    return unverified


def prove(client: Client, unverified: Unverified, now: datetime) -> None:
    """Returns where the client has signed it, just now and for us, and has not used it before.

    Spending goes with the transaction of the request, where there is one: if that fails, nothing
    was given for it, and the client may send it again. Where there is none it is spent at once.
    Raises InvalidClient; the reason is in the audit.
    """
    try:
        _prove(client, unverified, now)
    except BadAssertion as problem:
        reason = without_secrets(problem.reason)
        record(Tag.TOKENS_CLIENT_ASSERTION_REFUSED, client_id=client.client_id, reason=reason)
        raise InvalidClient(reason=f"client assertion: {reason}") from None


def _prove(client: Client, unverified: Unverified, now: datetime) -> None:
    expected = assertions.Expected(
        issuer=client.client_id,
        # RFC 7523 section 3: "The token endpoint URL of the authorization server MAY be used", and
        # RFC 9126 section 2: that of pushed authorization requests "MUST" be accepted, too.
        audiences=frozenset(
            {
                settings.PUBLIC_URL,
                *(f"{settings.PUBLIC_URL}/oauth2/{at}" for at in ("token", "par")),
            }
        ),
        algorithms=frozenset(ALGORITHMS),
        max_lifetime=MAX_LIFETIME,
        issued_at_is_required=False,
    )
    assertion = assertions.verify(unverified, expected, keys_of(client), now)
    # The blank keeps clients apart from the trusted issuers, which spend theirs here, too.
    if not spend(f"client {client.client_id}", assertion.jti, assertion.expires_at):
        raise BadAssertion("presented before (jti)")


def keys_of(client: Client) -> assertions.KeySource:
    if client.jwks_url:
        return assertions.published_at(client.jwks_url)
    if client.jwks is None:
        raise BadAssertion("the client has no keys")
    try:
        return assertions.stored(jwks.cached(json.dumps(client.jwks, sort_keys=True)))
    except jwks.BadKeySet as problem:
        raise BadAssertion(f"the JWKS of the client {problem}") from None
