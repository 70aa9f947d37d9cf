"""RFC 7523 section 2.1: the JWT of a trusted issuer for tokens of the user that it speaks of.

Each assertion counts once. Why one is refused stands in the audit; the client learns only that it
was.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from clients_admin.models import Client
from idp import metrics
from idp.accounts import certificates, login
from idp.accounts.models import TrustedIssuer, User
from idp.accounts.outcomes import Identity
from idp.audit.details import without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.jwks import VerificationKey
from idp.spent_assertions import spend
from tokens import assertions, issue, scopes
from tokens.assertions import Assertion, BadAssertion
from tokens.errors import InvalidGrant, InvalidRequest, UnauthorizedClient
from tokens.grants.base import Grant, pair_body
from tokens.wire import parameters_of


class JWTBearer(Grant):
    def validate_token_request(self, request: Any) -> None:
        parameters = parameters_of(request)
        self.request_validator.authenticate_client(request)
        self.validate_grant_type(request)
        if request.client.effective_flags.required_acr != "any":
            raise UnauthorizedClient(reason="nobody signs in here, so required_acr cannot be met")
        if "assertion" not in parameters:
            raise InvalidRequest("assertion is missing.")
        asked = scopes.to_store(request.client, (request.scope or "").split())
        request.stored_scope = scopes.as_granted(request.client, asked)

    def grant(self, request: Any) -> dict[str, Any]:
        now, client = timezone.now(), request.client
        try:
            assertion, user = accept(client, parameters_of(request)["assertion"], now)
        except BadAssertion as problem:
            reason = without_secrets(problem.reason)
            record(Tag.TOKENS_ASSERTION_REFUSED, client_id=client.client_id, reason=reason)
            metrics.count(metrics.GRANT_REFUSALS, client=client.client_id, grant="jwt_bearer")
            raise InvalidGrant(reason=f"assertion: {reason}") from None
        new_login = issue.Login(
            client=client,
            user=user,
            scope=request.stored_scope,
            family=issue.new_family(now),
            auth_time=_auth_time(assertion, now),
        )
        told = issue.Event(Tag.TOKENS_ASSERTION_ACCEPTED, {"issuer": assertion.issuer})
        return pair_body(client, issue.first_pair(new_login, now, told))


def accept(client: Client, encoded: str, now: datetime) -> tuple[Assertion, User]:
    """The user whom an assertion speaks of, and the assertion, which is then spent.

    Raises BadAssertion; nothing is changed then.
    """
    unverified = assertions.read(encoded)
    # The issuer is pinned: this row decides about keys, algorithms, audience and users, and
    # nothing that the assertion says about them does.
    trusted = TrustedIssuer.objects.select_related("login_service").filter(is_enabled=True)
    issuer = trusted.filter(issuer=unverified.issuer).first()
    if issuer is None:
        raise BadAssertion(f"no trusted issuer is {unverified.issuer[:80]!r}")
    if not client.ordered_login_services().filter(pk=issuer.login_service_id).exists():
        raise BadAssertion(f"the client may not use the login service {issuer.login_service}")
    assertion = assertions.verify(unverified, _expected(issuer), _keys_of(issuer), now)
    identity = _identity(issuer, assertion)
    # Whoever comes second waits for the first at this insert. A user who is refused takes it back.
    with transaction.atomic():
        if not spend(assertion.issuer, assertion.jti, assertion.expires_at):
            raise BadAssertion("presented before (jti)")
        outcome = login.accept(issuer.login_service, identity)
        if not isinstance(outcome, login.Authenticated):
            raise BadAssertion(outcome.reason)
    return assertion, outcome.user


def _expected(issuer: TrustedIssuer) -> assertions.Expected:
    return assertions.Expected(
        issuer=issuer.issuer,
        audiences=frozenset({issuer.audience}),
        algorithms=frozenset(issuer.algorithms),
        max_lifetime=timedelta(seconds=issuer.max_lifetime_seconds),
    )


def _keys_of(issuer: TrustedIssuer) -> assertions.KeySource:
    if issuer.jwks_url:
        return assertions.published_at(issuer.jwks_url)
    return assertions.stored(
        [
            VerificationKey(None, known.algorithms, known.key)
            for known in certificates.readable(issuer.public_keys)
        ]
    )


def _identity(issuer: TrustedIssuer, assertion: Assertion) -> Identity:
    """Who it speaks of, by the one claim that the row names, and what it says about them."""
    external_id = assertions.text_of(assertion.claims, issuer.subject_claim)
    claims = {
        ours: assertion.claims[theirs]
        for ours, theirs in issuer.claims.items()
        if theirs in assertion.claims
    }
    try:
        username = assertions.text_of(claims, "preferred_username")
    except BadAssertion:
        username = external_id
    return Identity(external_id, username, claims)


def _auth_time(assertion: Assertion, now: datetime) -> datetime:
    """OpenID Connect Core 1.0 section 2: "Time when the End-User authentication occurred"."""
    said = assertion.claims.get("auth_time")
    auth_time = assertions.date_of(said) if isinstance(said, int) else None
    if auth_time is not None and auth_time <= now:
        return auth_time
    return assertion.issued_at or now
