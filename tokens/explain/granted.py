"""Scopes: by which path each was granted, and why another is not."""

from dataclasses import dataclass

from clients_admin.models import Scope
from clients_admin.scopes import expand, paths
from tokens.explain import ways
from tokens.explain.case import Case, Decided
from tokens.grants import on_behalf_of
from tokens.payload import CLAIMS_OF_SCOPE


@dataclass(frozen=True, slots=True)
class Granted:
    """A scope: how the request came to it, how the client did, and the claims that it lets out."""

    name: str
    asked_by: str
    had_by: str
    claims: str


@dataclass(frozen=True, slots=True)
class Refused:
    name: str
    reason: str


def granted(decided: Decided) -> list[Granted]:
    client = decided.case.client
    groups = client.read().scope_groups
    own = [
        *client.scopes.values_list("name", flat=True),
        *client.scope_groups.values_list("name", flat=True),
    ]
    had, asked = paths(own, groups), paths(decided.case.asked, groups)
    return [
        Granted(
            name,
            _arrows(asked[name]) if name in asked else "not named: all are asked for",
            _arrows(had[name]),
            ", ".join(CLAIMS_OF_SCOPE.get(name, ())),
        )
        for name in sorted(decided.granted)
    ]


def refused(case: Case) -> list[Refused]:
    """The names for which the whole request is refused."""
    known = case.client.read()
    is_on_behalf = case.way is ways.ON_BEHALF_OF
    allowed = on_behalf_of.allowed_scopes(known) if is_on_behalf else known.grantable_scopes
    wanted = {
        name: expand([name], known.scope_groups) if is_on_behalf else {name} for name in case.asked
    }
    wrong = [name for name, names in wanted.items() if not names <= allowed]
    exist = set(Scope.objects.filter(name__in=wrong).values_list("name", flat=True))
    exist |= set(known.scope_groups)
    return [Refused(name, _reason(case, name, is_known=name in exist)) for name in wrong]


def _reason(case: Case, name: str, *, is_known: bool) -> str:
    known = case.client.read()
    if not is_known:
        return "there is no such scope or group"
    names = expand([name], known.scope_groups)
    if not names <= known.allowed_scopes:
        return "the client does not have it" if len(names) == 1 else "the client lacks some of it"
    if case.way is ways.ON_BEHALF_OF:
        return "the flag on_behalf_of_scopes does not allow it"
    return "the client has its scopes, but was not given the group"


def _arrows(path: list[str]) -> str:
    return " → ".join(path) if len(path) > 1 else "itself"
