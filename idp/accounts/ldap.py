"""The `ldap` login service: a directory finds the entry, checks its password, names its groups.

A user is the entry's id, `entryUUID` or `objectGUID`: a name may be given to somebody else
tomorrow, and a DN changes when somebody marries or moves.
"""

from contextlib import closing
from typing import Any
from uuid import UUID

from idp.accounts import circuit, credentials
from idp.accounts.foreign_identity import identity, is_same_name
from idp.accounts.ldap_connections import Directory, Entry, comparable, escaped_in_dn
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Identity, Outcome, Refused, Role, UnusableAnswer
from idp.accounts.service_settings import LDAPSettings

OBJECT_GUID = "objectguid"


def check(service: LoginService, username: str, password: str) -> Outcome:
    """One search and one bind, whether the directory knows the name or not."""
    if credentials.are_malformed(username, password):
        return Refused("malformed credentials")
    return circuit.ask(service, lambda: _check(service, username, password))


def find(service: LoginService, external_id: str) -> Outcome:
    """Who has this id now, and what they may: asked again for operators while they work."""
    if credentials.are_malformed(external_id, external_id):
        return Refused("malformed external id")
    return circuit.ask(service, lambda: _find(service, external_id))


def look_up(service: LoginService, username: str) -> Outcome:
    """Whom the directory knows by that name, and what they may; nobody's password is asked for."""
    if credentials.are_malformed(username, username):
        return Refused("malformed user name")

    def ask() -> Outcome:
        with closing(Directory(service.read_settings(LDAPSettings))) as directory:
            entry = _named(directory, username)
            return entry if isinstance(entry, Refused) else _identity(directory, entry)

    return circuit.ask(service, ask)


def _named(directory: Directory, username: str) -> Entry | Refused:
    """The one entry that is about a name."""
    settings = directory.settings
    attributes = _attributes_of(settings.user_filter)
    found = directory.find(settings.user_filter, username, attributes)
    if len(found) > 1:
        return Refused("user name that matches several")
    if not found or not _is_about(username, found[0], attributes):
        return Refused("unknown user name")
    return found[0]


def _check(service: LoginService, username: str, password: str) -> Outcome:
    settings = service.read_settings(LDAPSettings)
    with closing(Directory(settings)) as directory:
        entry = _named(directory, username)
        if isinstance(entry, Refused):
            directory.refusal_of(settings.decoy_dn or _nobody(settings, username), password)
            return entry
        if refusal := directory.refusal_of(entry["dn"], password):
            return Refused(refusal)
        return _identity(directory, entry)


def _find(service: LoginService, external_id: str) -> Outcome:
    settings = service.read_settings(LDAPSettings)
    octets = external_id.encode()
    if settings.id_attribute.lower() == OBJECT_GUID:
        try:
            octets = UUID(external_id).bytes_le
        except ValueError:
            return Refused("malformed external id")
    with closing(Directory(settings)) as directory:
        found = directory.find_by_id(octets)
        if len(found) != 1:
            return Refused("unknown external id")
        answer = _identity(directory, found[0])
    if isinstance(answer, Identity) and answer.external_id != external_id:
        return Refused("malformed external id")
    return answer


def _nobody(settings: LDAPSettings, username: str) -> str:
    """The DN of an entry that is not there, to be refused like the entry of a user."""
    return f"{settings.username_attribute}={escaped_in_dn(username)},{settings.base_dn}"


def _identity(directory: Directory, entry: Entry) -> Outcome:
    settings = directory.settings
    groups = _groups(directory, entry)
    if settings.required_groups and not groups & set(settings.required_groups):
        return Refused("not in a required group")
    claims: dict[str, Any] = {
        ours: value for ours, theirs in settings.claims.items() if (value := _text(entry, theirs))
    }
    if settings.groups:
        claims["groups"] = sorted(groups)
    roles = [
        role
        for role, names in (
            (Role.EDITOR, settings.editor_groups),
            (Role.VIEWER, settings.viewer_groups),
            (Role.APPROVER, settings.approver_groups),
        )
        if groups & set(names)
    ]
    return identity(
        _external_id(entry, settings.id_attribute),
        _text(entry, settings.username_attribute),
        claims,
        roles if settings.gives_roles else None,
    )


def _groups(directory: Directory, entry: Entry) -> set[str]:
    """Our names of the groups that the user is in."""
    settings = directory.settings
    if settings.group_filter:
        return {n for n, dn in settings.groups.items() if directory.is_member(entry["dn"], dn)}
    listed = {comparable(text) for text in _texts(entry, settings.member_of_attribute)}
    return {name for name, dn in settings.groups.items() if comparable(dn) in listed}


def _external_id(entry: Entry, attribute: str) -> str:
    values = _values(entry, attribute)
    if len(values) != 1:
        raise UnusableAnswer(f"an entry has no {attribute}, or several")
    if attribute.lower() == OBJECT_GUID:
        if len(values[0]) != len(UUID(int=0).bytes):
            raise UnusableAnswer(f"an entry has an {attribute} of another length")
        return str(UUID(bytes_le=values[0]))
    return values[0].decode("utf-8", "replace")


def _is_about(username: str, entry: Entry, attributes: list[str]) -> bool:
    """Whether the entry has what was typed, in an attribute that the filter asks for."""
    found = [value for name in attributes for value in _texts(entry, name)]
    return any(is_same_name(username, value) for value in found)


def _attributes_of(user_filter: str) -> list[str]:
    """The attributes that the filter compares with the name: `uid` of `(uid={username})`."""
    parts = user_filter.split("{username}")[:-1]
    return [part.rpartition("(")[2].partition("=")[0].partition(":")[0] for part in parts]


def _values(entry: Entry, attribute: str) -> list[bytes]:
    found = {name.lower(): values for name, values in entry["raw_attributes"].items()}
    return list(found.get(attribute.lower(), ()))


def _texts(entry: Entry, attribute: str) -> list[str]:
    return [value.decode("utf-8", "replace") for value in _values(entry, attribute)]


def _text(entry: Entry, attribute: str) -> str:
    """The first value; of several e-mail addresses, say, a directory's first."""
    return next(iter(_texts(entry, attribute)), "").strip()
