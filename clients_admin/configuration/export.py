"""What is stored, as a file that another instance can apply. Nothing secret is in it."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from clients_admin.configuration import stored
from clients_admin.configuration.values import GRANT_TYPE_ALIASES
from clients_admin.models import Scope

HEADER = "# Secrets and passwords are left out; apply leaves those that are stored as they are.\n"
# On where nothing is said; all others are off.
SWITCHES = ("enabled", "active")
INDENT = {"mapping": 2, "sequence": 4, "offset": 2}
LINE_LENGTH = 100


def export(*, users: bool = False) -> str:
    """All configuration as YAML, in a fixed order; with `users` also the local accounts."""
    with transaction.atomic():
        stored.wait_for_other_runs()
        sections = _sections(users=users)
    return f"{HEADER}{as_yaml(sections)}"


def as_yaml(tree: Mapping[str, Any]) -> str:
    """The tree as a YAML document that reads as the same tree."""
    written = YAML()
    written.indent(**INDENT)
    written.width = LINE_LENGTH
    text = io.StringIO()
    written.dump(_quoted(tree), text)
    return text.getvalue()


def _quoted(value: Any) -> Any:
    """With quotes around text that YAML would fold or lose: line breaks of all sorts, and such."""
    match value:
        case str() if value.startswith("-----BEGIN ") and all(map(_is_plain, value.split("\n"))):
            return LiteralScalarString(value)
        case str() if not value.isprintable():
            return DoubleQuotedScalarString(value)
        case dict():
            return {_quoted(key): _quoted(inner) for key, inner in value.items()}
        case list():
            return [_quoted(inner) for inner in value]
    return value


def _is_plain(line: str) -> bool:
    return line.isascii() and line.isprintable() and line == line.strip() != ""


def _sections(*, users: bool) -> dict[str, Any]:
    accounts = stored.accounts() if users else []
    return {
        "brands": _each(map(stored.brand, stored.brands().order_by("slug"))),
        "scopes": dict(map(_scope, Scope.objects.order_by("name"))),
        "scope_groups": dict(map(_scope_group, stored.scope_groups().order_by("name"))),
        "login_services": _each(map(stored.login_service, stored.login_services())),
        "trusted_issuers": _each(map(stored.trusted_issuer, stored.trusted_issuers())),
        **({"users": _each(map(stored.account, accounts))} if users else {}),
        "clients": _each(map(_client, stored.clients().order_by("client_id"))),
    }


def _scope(row: Scope) -> tuple[str, Any]:
    scope = stored.scope(row)
    in_all = {"en": scope["description"], **scope["translations"]}
    return scope["name"], in_all if scope["translations"] else scope["description"]


def _scope_group(row: Any) -> tuple[str, Any]:
    group = stored.scope_group(row)
    short = {"description": group["description"], "members": group["members"]}
    return group["name"], short if group["description"] else group["members"]


def _client(row: Any) -> dict[str, Any]:
    client = stored.client(row)
    aliases = {value: alias for alias, value in GRANT_TYPE_ALIASES.items()}
    client["grant_types"] = [aliases.get(value, value) for value in client["grant_types"]]
    return client


def _each(described: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Without what is empty, and without switches that stand as they do where nothing is said."""
    return [
        {
            key: value
            for key, value in values.items()
            if value not in ("", None, [], {}) and value is not (key in SWITCHES)
        }
        for values in described
    ]
