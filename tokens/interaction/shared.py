"""What an application would get, in words for the user: each scope, with the user's own values."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from clients_admin.models import Client, Scope
from idp.accounts.models import User
from tokens import payload
from tokens.scopes import OPENID

# Where a scope of OpenID Connect has no description of its own.
STANDARD_WORDS = {
    "openid": _("Know who you are"),
    "profile": _("See your name and profile"),
    "email": _("See your e-mail address"),
    "address": _("See your postal address"),
    "phone": _("See your phone number"),
    "offline_access": _("Stay signed in when you are away"),
}
# Nothing that a user would recognise.
_NOT_SHOWN = frozenset({"updated_at", "zoneinfo"})
# OpenID Connect Core 1.0 section 5.1.1, in the order of a letter.
_ADDRESS_LINES = ("street_address", "postal_code", "locality", "region", "country")
MAX_VALUE = 100


@dataclass(frozen=True, slots=True)
class Shared:
    """One line of the list. Whoever may leave it out finds a box beside it."""

    name: str
    words: str | Promise
    values: tuple[str, ...]
    is_new: bool = False
    is_optional: bool = False
    is_ticked: bool = True


@dataclass(frozen=True, slots=True)
class Before:
    """What the user has decided about this client earlier."""

    granted: frozenset[str] = frozenset()
    declined: frozenset[str] = frozenset()
    claims: frozenset[str] = frozenset()

    @property
    def decided(self) -> frozenset[str]:
        return self.granted | self.declined


def lines(
    client: Client,
    user: User,
    asked: Collection[str],
    language: str,
    before: Before | None = None,
) -> list[Shared]:
    """A line for each scope; who the user is comes first, whatever the alphabet says."""
    before = before or Before()
    rows = {scope.name: scope for scope in Scope.objects.filter(name__in=asked)}
    return [
        Shared(
            name=name,
            words=_words(rows[name], language),
            values=tuple(_values(user, name)),
            is_new=bool(before.granted) and name not in before.decided,
            is_optional=is_optional(client, name),
            is_ticked=name not in before.declined,
        )
        for name in sorted(rows, key=lambda name: (name != OPENID, name))
    ]


def is_optional(client: Client, scope: str) -> bool:
    """Of what a third party asks for, users may leave out all but who they are."""
    return client.effective_flags.consent != "never" and scope != OPENID


def chosen(client: Client, asked: Collection[str], form: Mapping[str, Any]) -> frozenset[str]:
    """What a posted page lets the client have: never more than the page has shown."""
    shown = set(form["shown"].split()) if "shown" in form else set()
    return frozenset(
        scope
        for scope in asked
        if "shown" not in form
        or (scope in shown and (not is_optional(client, scope) or f"scope-{scope}" in form))
    )


def _words(scope: Scope, language: str) -> str | Promise:
    return scope.description_in(language) or STANDARD_WORDS.get(scope.name, scope.name)


def _values(user: User, scope: str) -> Iterator[str]:
    """The claims that the scope lets out, as the user would write them; each once."""
    known = {"preferred_username": user.username, **user.claims}
    said: list[str] = []
    for claim in payload.CLAIMS_OF_SCOPE.get(scope, ()):
        text = _text(known.get(claim))
        if claim not in _NOT_SHOWN and text and not any(text in earlier for earlier in said):
            said.append(text)
            yield text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _text(value: object) -> str:
    match value:
        case str():
            return " ".join(value.split())
        case dict():
            formatted = value.get("formatted")
            parts = [formatted] if formatted else [value.get(line) for line in _ADDRESS_LINES]
            return ", ".join(_text(part) for part in parts if isinstance(part, str) and part)
        case _:
            return ""
