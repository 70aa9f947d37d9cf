"""The address of a user, as an application says it that stands between the user and us.

Such an application (a shop's server that passes a password on, a helpdesk) would have all its users
counted at its own address. With the flag `may_assert_client_ip` it says whom it speaks for, in a
JWT of its own for each request:

    Client-Address-Assertion: <JWT>
    header: {"typ": "client-address+jwt", "alg": "ES256", "kid": …}
    claims: {"iss": client_id, "sub": client_id, "aud": "<issuer>/client-address",
             "client_ip": "192.0.2.1", "iat": …, "exp": iat + 30, "jti": …}

It is signed with a key of the client's JWKS. Type and audience are its own, so it opens nothing
else: RFC 8725 section 3.12, "Use Mutually Exclusive Validation Rules for Different Kinds of JWTs".
What is not right is ignored and audited: the request then counts for the application's own address.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from clients_admin.models import Client
from idp import net
from idp.accounts.models import ALGORITHMS
from idp.audit.details import without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.blocking.middleware import refused_if_blocked
from idp.spent_assertions import spend
from tokens import assertions, private_key_jwt
from tokens.assertions import BadAssertion, Unverified

HEADER = "HTTP_CLIENT_ADDRESS_ASSERTION"
TYPE = "client-address+jwt"
CLAIM = "client_ip"
MAX_LIFETIME = timedelta(seconds=30)


def audience() -> str:
    return f"{settings.PUBLIC_URL}/client-address"


class ClientAddressMiddleware:
    """Just inside the one that refuses blocked addresses, which it asks once more."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if (encoded := request.META.get(HEADER)) is None:
            return self.get_response(request)
        now = timezone.now()
        address = asserted(encoded, net.address_of(request), now)
        if address is not None:
            request.META[net.ADDRESS] = address
            request.META[net.IS_ASSERTED] = True
            request.client_address = address  # type: ignore[attr-defined]
        return refused_if_blocked(request, now) or self.get_response(request)


def asserted(encoded: str, peer: str, now: datetime) -> str | None:
    """The address that a client vouches for, in the spelling of `net`; None where that counts for
    nothing. Spends the assertion. `peer` is where the request itself comes from."""
    client: Client | None = None
    try:
        unverified = assertions.read(encoded)
        client = Client.objects.filter(client_id=unverified.issuer[:100], is_active=True).first()
        if client is None:
            return None  # Whoever makes up names fills no table.
        return _verified(client, unverified, now)
    except BadAssertion as problem:
        if client is not None:
            record(
                Tag.TOKENS_CLIENT_ADDRESS_REFUSED,
                client_id=client.client_id,
                address=peer or None,
                at=now,
                reason=without_secrets(problem.reason),
            )
        return None


def _verified(client: Client, unverified: Unverified, now: datetime) -> str:
    """Raises BadAssertion."""
    if not client.is_confidential or not client.effective_flags.may_assert_client_ip:
        raise BadAssertion("the client is without the flag may_assert_client_ip")
    header: dict[str, Any] = jwt.get_unverified_header(unverified.encoded)
    if header.get("typ") != TYPE:
        raise BadAssertion(f"the typ is not {TYPE}")
    if unverified.subject != unverified.issuer:
        raise BadAssertion("iss and sub differ")
    expected = assertions.Expected(
        issuer=client.client_id,
        audiences=frozenset({audience()}),
        algorithms=frozenset(ALGORITHMS),
        max_lifetime=MAX_LIFETIME,
    )
    keys = private_key_jwt.keys_of(client)
    assertion = assertions.verify(unverified, expected, keys, now)
    address = net.parse_address(assertions.text_of(assertion.claims, CLAIM))
    if address is None:
        raise BadAssertion(f"the {CLAIM} is no address")
    # The words keep these apart from the other assertions that are spent there.
    if not spend(f"client address {client.client_id}", assertion.jti, assertion.expires_at):
        raise BadAssertion("presented before (jti)")
    return str(address)
