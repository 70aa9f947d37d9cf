"""The `sql` login service: accounts in a database of somebody else's, found by a configured query.

Separate accounts of two brands are two login services. The query says what is what by the names of
its columns: external_id, username, password_hash, perhaps is_active; all others are claims.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from idp.accounts import circuit, credentials, foreign_passwords, sql_pool
from idp.accounts.foreign_identity import identity, is_same_name
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Identity, Outcome, Refused, UnusableAnswer
from idp.accounts.service_settings import SQLSettings
from idp.accounts.sql_connections import Row

OURS = {"external_id", "username", "password_hash", "is_active"}

# A hash of each service as it was last seen, without its digest: what unknown users cost.
_dummies: dict[int, str] = {}


def check(service: LoginService, username: str, password: str) -> Outcome:
    """One query and one hash, whatever comes out."""
    if credentials.are_malformed(username, password):
        return Refused("malformed credentials")
    return circuit.ask(service, lambda: _check(service, username, password))


def find(service: LoginService, external_id: str) -> Outcome:
    """Whom the database knows by that id, in the one spelling that it has."""
    if credentials.are_malformed(external_id, external_id):
        return Refused("malformed external id")
    return circuit.ask(service, lambda: _find(service, external_id))


def look_up(service: LoginService, username: str) -> Outcome:
    """Whom the database knows by that name; their password is not asked for."""
    if credentials.are_malformed(username, username):
        return Refused("malformed user name")

    def ask() -> Outcome:
        rows, row = _named(service, service.read_settings(SQLSettings), username)
        return _nobody(rows, "unknown user name") if row is None else _identity(row)

    return circuit.ask(service, ask)


def _named(
    service: LoginService, settings: SQLSettings, username: str
) -> tuple[list[Row], Row | None]:
    """All that its query gives for a name, and the one row that is about it."""
    rows = sql_pool.of(service, settings).rows(settings.query, "username", username)
    return rows, rows[0] if len(rows) == 1 and _is_about(username, rows[0]) else None


def _check(service: LoginService, username: str, password: str) -> Outcome:
    settings = service.read_settings(SQLSettings)
    rows, row = _named(service, settings, username)
    encoded = _password_hash(row) if row else ""
    if row is None or not encoded:
        _spend(service, settings, password)
        return _nobody(rows, "unknown user name") if row is None else Refused("no password")
    try:
        is_right = foreign_passwords.verify(password, encoded, settings.password_schemes)
    except foreign_passwords.UnusableHash:
        _spend(service, settings, password)
        return Refused("a password hash of no accepted scheme")
    _dummies[service.pk] = foreign_passwords.without_digest(encoded)
    return _identity(row) if is_right else Refused("wrong password")


def _find(service: LoginService, external_id: str) -> Outcome:
    settings = service.read_settings(SQLSettings)
    if not settings.find_query:
        return Refused("this login service has no find_query")
    rows = sql_pool.of(service, settings).rows(settings.find_query, "external_id", external_id)
    if len(rows) != 1:
        return _nobody(rows, "unknown external id")
    found = _identity(rows[0])
    if isinstance(found, Identity) and found.external_id != external_id:
        return Refused("malformed external id")
    return found


def _nobody(rows: list[Row], reason: str) -> Refused:
    return Refused(f"{reason}: it matches several accounts" if len(rows) > 1 else reason)


def _spend(service: LoginService, settings: SQLSettings, password: str) -> None:
    known = _dummies.get(service.pk)
    foreign_passwords.spend(
        password, known or foreign_passwords.dummy(settings.password_schemes[0])
    )


def _is_about(username: str, row: Row) -> bool:
    """Whether the row has what was typed: as its user name, or as an e-mail address or the like."""
    return any(is_same_name(username, value) for name, value in row.items() if name not in _NO_NAME)


_NO_NAME = OURS - {"username"}


def _password_hash(row: Row) -> str:
    if "password_hash" not in row:
        raise UnusableAnswer("its query gives no column password_hash")
    value = row["password_hash"]
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value if isinstance(value, str) else ""


def _identity(row: Row) -> Outcome:
    if not _is_active(row.get("is_active", True)):
        return Refused("inactive account")
    claims = {name: _plain(value) for name, value in row.items() if name not in OURS}
    return identity(_text(row.get("external_id")), _text(row.get("username")), claims)


def _is_active(value: object) -> bool:
    match value:
        case bool() | int():
            return bool(value)
        case bytes():  # MySQL's BIT(1)
            return any(value)
    raise UnusableAnswer("its query gives an is_active that is neither true nor false")


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | UUID) and not isinstance(value, bool) else value


def _plain(value: Any) -> Any:
    """As JSON has it."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
    return value
