"""The `claims` parameter (OpenID Connect Core 1.0 section 5.5): single claims, asked for by name.

A claim is let out where a scope that the client has would let it out, and the user has allowed it:
see `granted`. What is granted is frozen with the grant.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clients_admin.models import Client
from tokens.payload import CLAIMS_OF_SCOPE

PLACES = ("userinfo", "id_token")
MAX_CLAIMS = 50
# The members of a claim that have a meaning; others "MUST be ignored".
ESSENTIAL, VALUE, VALUES = "essential", "value", "values"
_SCOPES_OF_CLAIM: dict[str, frozenset[str]] = {
    claim: frozenset(scope for scope, claims in CLAIMS_OF_SCOPE.items() if claim in claims)
    for claims in CLAIMS_OF_SCOPE.values()
    for claim in claims
}

# Of a place, each claim with the values that it may have; None where any will do.
type Granted = dict[str, dict[str, list[Any] | None]]


class BadClaims(Exception):
    """The parameter cannot be read; says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a claim is asked for; no values where any will do."""

    is_essential: bool = False
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimsRequest:
    """What is asked for at userinfo and in the ID token, by the names of the claims."""

    userinfo: Mapping[str, Wish] = field(default_factory=dict)
    id_token: Mapping[str, Wish] = field(default_factory=dict)

    def at(self, place: str) -> Mapping[str, Wish]:
        return self.userinfo if place == "userinfo" else self.id_token

    @property
    def subjects(self) -> tuple[Any, ...]:
        """Section 5.5.1: whom the answer must be about; empty where anybody will do."""
        return tuple(
            value for place in PLACES for value in self.at(place).get("sub", Wish()).values
        )

    @property
    def acr(self) -> Wish:
        """Section 5.5.1.1: how the user is to be authenticated, where that is asked for here."""
        return self.id_token.get("acr", Wish())

    def names(self) -> frozenset[str]:
        """The claims that some scope lets out; nobody else's are known here."""
        return frozenset(_SCOPES_OF_CLAIM.keys() & {*self.userinfo, *self.id_token})


def parse(text: str) -> ClaimsRequest:
    """Raises BadClaims."""
    try:
        found = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadClaims("is not JSON") from None
    if not isinstance(found, dict):
        raise BadClaims("is not a JSON object")
    return ClaimsRequest(**{place: _wishes(place, found.get(place)) for place in PLACES})


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN is no JSON.


def _wishes(place: str, found: object) -> dict[str, Wish]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadClaims(f"has a {place} that is not an object")
    if len(found) > MAX_CLAIMS:
        raise BadClaims(f"asks for more than {MAX_CLAIMS} claims")
    return {name: _wish(how) for name, how in found.items()}


def _wish(how: object) -> Wish:
    """Section 5.5.1: null, or an object with `essential`, and `value` or `values`."""
    if how is None:
        return Wish()
    if not isinstance(how, dict):
        raise BadClaims("asks for a claim by something that is neither null nor an object")
    is_essential, values = how.get(ESSENTIAL, False), how.get(VALUES, [])
    if not isinstance(is_essential, bool):
        raise BadClaims("has an essential that is not true or false")
    if not isinstance(values, list) or (VALUES in how and (VALUE in how or not values)):
        raise BadClaims("has values that are no list, an empty one, or beside a value")
    return Wish(is_essential, (how[VALUE],) if VALUE in how else tuple(values))


# --- What comes of it -----------------------------------------------------------------------------


def allowed(client: Client, names: Iterable[str]) -> frozenset[str]:
    """Of these claims those that a scope of the client's would let out."""
    return _covered(names, client.read().allowed_scopes)


def individual(client: Client, request: ClaimsRequest, scopes: Iterable[str]) -> list[str]:
    """What a user is asked for beside these scopes, in the order of a page."""
    names = allowed(client, request.names())
    return sorted(names - _covered(names, scopes))


def granted(
    client: Client, request: ClaimsRequest, *, asked: Iterable[str], given: Iterable[str]
) -> Granted | None:
    """What is frozen with a grant; None where nothing goes beyond its scopes.

    `asked` are the single scopes of the request and `given` those that the user has left: a claim
    goes with its scope, and stands for itself only where no scope has asked for it.
    """
    beside, with_scopes = individual(client, request, asked), _covered(request.names(), given)
    found: Granted = {}
    for place in PLACES:
        names = {*beside, *(with_scopes if place == "id_token" else ())}
        if wishes := {n: wish for n, wish in request.at(place).items() if n in names}:
            found[place] = {name: list(w.values) or None for name, w in wishes.items()}
    return found or None


def fulfilled(
    client: Client, wanted: Mapping[str, list[Any] | None], known: Mapping[str, Any]
) -> dict[str, Any]:
    """The claims that were granted and may be told now; one of another value is left out.

    Section 5.5.1: "it is not an error condition to not return a requested Claim".
    """
    return {
        name: known[name]
        for name, values in wanted.items()
        if name in allowed(client, [name])
        and name in known
        and (values is None or known[name] in values)
    }


def _covered(names: Iterable[str], scopes: Iterable[str]) -> frozenset[str]:
    held = frozenset(scopes)
    return frozenset(name for name in names if _SCOPES_OF_CLAIM.get(name, frozenset()) & held)
