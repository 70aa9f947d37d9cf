"""What an operator changes in a row, as an event: which fields, from what, to what.

One mechanism for the admin, configuration files and commands. It compares what the database holds
before and after, so it tells what was changed and not what somebody meant to change. Names of
fields are paths: `flags.access_token_seconds`. Of what could be a secret, and of what is known of a
person, only the path is told.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Field, ManyToManyField, Model, QuerySet
from django.utils.crypto import salted_hmac

from idp.audit.details import names_a_secret, without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag

# The models that operators change, by label, for the upper floors have most of them.
TAGS = {
    "branding.Brand": Tag.BRANDING_BRAND_CHANGED,
    "clients_admin.Client": Tag.CLIENTS_CLIENT_CHANGED,
    "clients_admin.Scope": Tag.CLIENTS_SCOPE_CHANGED,
    "clients_admin.ScopeGroup": Tag.CLIENTS_SCOPE_GROUP_CHANGED,
    "idp.LocalAccount": Tag.ACCOUNTS_LOCAL_ACCOUNT_CHANGED,
    "idp.LoginService": Tag.ACCOUNTS_LOGIN_SERVICE_CHANGED,
    "idp.NetworkProfile": Tag.BLOCKING_PROFILE_CHANGED,
    "idp.TrustedIssuer": Tag.ACCOUNTS_TRUSTED_ISSUER_CHANGED,
    "idp.User": Tag.ACCOUNTS_USER_CHANGED,
}
# What a service has said of a person, and what ends their sessions.
_HIDDEN_FIELDS = frozenset({"claims", "sessions_salt"})
# What is written by being there; nobody has changed it.
_UNTOLD_FIELDS = frozenset({"created", "created_at", "last_login", "roles_checked_at", "updated"})


@dataclass(frozen=True, slots=True)
class State:
    """What the database holds of a row, by path; empty where there is no row."""

    shown: Mapping[str, Any] = field(default_factory=dict)
    hidden: Mapping[str, Any] = field(default_factory=dict)


NOTHING = State()


def state_of(row: Model) -> State:
    """What is stored of a row now, whatever the object in memory says; NOTHING for a new one.

    It is held for the rest of the transaction, so that nobody else changes it in between.
    """
    return _read(type(row)._base_manager.select_for_update(no_key=True), row)


def version_of(row: Model) -> str:
    """22 characters that stand for what is stored of a row now: whoever has seen the same ones has
    seen the same row. For forms that were opened a while ago, and for ETags.

    Keyed, so that nobody finds by trying what is not shown.
    """
    rows = type(row)._base_manager.all()
    state = _read(rows, row)
    # Two rows that this one may name can be called alike.
    keys = [column.attname for column in row._meta.concrete_fields if column.is_relation]
    named = rows.filter(pk=row.pk).values_list(*keys).first() if keys else None
    said = json.dumps([state.shown, state.hidden, named], sort_keys=True, default=str)
    digest = salted_hmac("idp.audit.version", said, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def _read(rows: QuerySet, row: Model) -> State:
    stored = rows.filter(pk=row.pk).first() if row.pk is not None else None
    if stored is None:
        return NOTHING
    state = State({}, {})
    for path, value in _values(stored):
        _put(state, path, value, is_hidden=path in _HIDDEN_FIELDS)
    return state


def key_of(row: Model) -> str:
    """What a row is called in the events about it, whatever its name becomes:
    `clients_admin.client:17`. See `AuditEventQuerySet.of_row`."""
    return f"{row._meta.label_lower}:{row.pk}"


def record_change(row: Model, before: State, *, actor: str | None = None, **details: Any) -> bool:
    """Records how a row differs from what it was, in the caller's transaction; False where it does
    not. A row that is gone was deleted. What else the caller knows is told beside the diff."""
    return _record(row, before, state_of(row), actor, **details)


def record_deletion(row: Model, *, actor: str | None = None) -> None:
    """Records that a row goes, before it does."""
    _record(row, state_of(row), NOTHING, actor)


def _record(row: Model, before: State, after: State, actor: str | None, **more: Any) -> bool:
    changed = {
        path: [before.shown.get(path), after.shown.get(path)]
        for path in differing(before.shown, after.shown)
    }
    hidden = differing(before.hidden, after.hidden)
    if not changed and not hidden:
        return False
    label = row._meta.label
    record(
        TAGS[label],
        client_id=getattr(row, "client_id", None),
        user_id=row.pk if label == "idp.User" else None,
        actor=actor,
        what=_what(before, after),
        name=without_secrets(str(row)),
        changed=changed,
        hidden=hidden,
        row=key_of(row),
        **more,
    )
    return True


def _what(before: State, after: State) -> str:
    if before is NOTHING:
        return "added"
    return "deleted" if after is NOTHING else "changed"


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The paths at which two sides of a state are not the same, in order."""
    return sorted(p for p in {*before, *after} if before.get(p) != after.get(p))


# --- Reading --------------------------------------------------------------------------------------


def _values(row: Model) -> Iterator[tuple[str, Any]]:
    meta = row._meta
    for column in meta.concrete_fields:
        if not column.primary_key and column.name not in _UNTOLD_FIELDS:
            yield column.name, _value(row, column)
    for many in meta.many_to_many:
        yield many.name, _names(row, many)


def _value(row: Model, column: Field) -> Any:
    value = getattr(row, column.name)
    return str(value) if isinstance(value, Model) else value


def _names(row: Model, many: ManyToManyField) -> list[str]:
    """The names of the rows that this one names, in their order where they have one."""
    through: Any = many.remote_field.through
    links = through._base_manager.filter(**{many.m2m_field_name(): row})
    links = links.select_related(many.m2m_reverse_field_name())
    if through._meta.ordering:
        links = links.order_by(*through._meta.ordering)
    names = [str(getattr(link, many.m2m_reverse_field_name())) for link in links]
    return names if through._meta.ordering else sorted(names)


def _put(state: State, path: str, value: Any, *, is_hidden: bool) -> None:
    """Tables are opened, so that each of their entries is told by itself; what is empty is not
    there."""
    is_hidden = is_hidden or names_a_secret(path) or without_secrets(path) != path
    path = without_secrets(path)
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _put(state, f"{path}.{name}", inner, is_hidden=is_hidden)
    elif is_hidden or _holds_a_secret(value):
        if value not in (None, "", []):
            state.hidden[path] = value  # type: ignore[index] # It is being made.
    elif value not in (None, "", []):
        state.shown[path] = _plain(value)  # type: ignore[index] # As above.


def _holds_a_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(names_a_secret(str(n)) or _holds_a_secret(v) for n, v in value.items())
    return isinstance(value, list) and any(map(_holds_a_secret, value))


def _plain(value: Any) -> Any:
    """As JSON has it. Two values that are told alike are alike."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {without_secrets(str(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | memoryview):
        return [_plain(item) for item in value]
    return without_secrets(value if isinstance(value, str) else json.dumps(value, default=str))
