"""The sections of a configuration file, the keys of each, and their reading into items."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

from branding import texts
from branding.models import Brand
from branding.uploads import PURPOSES
from clients_admin.configuration import values
from clients_admin.configuration.document import Entry, Problems, did_you_mean
from clients_admin.models import Client
from idp.accounts import service_settings
from idp.accounts.models import ALGORITHMS, LoginService, TrustedIssuer


class _LeftAlone:
    """Stands for: a key that the file leaves out says nothing about what is stored."""


LEFT_ALONE = _LeftAlone()
IN_ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an item. Left out, it has its default, as every part that a file describes."""

    name: str
    read: values.Reader
    default: Any = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One object that the file describes: its place, and its values by key."""

    entry: Entry
    values: dict[str, Any]
    places: dict[str, Entry] = field(default_factory=dict)

    def place(self, key: str) -> Entry:
        """Where to report what is wrong with the value of `key`."""
        return self.places.get(key) or self.entry.part(key)


@dataclass(frozen=True, slots=True)
class Configuration:
    """All items of a file, by section."""

    brands: list[Item] = field(default_factory=list)
    scopes: list[Item] = field(default_factory=list)
    scope_groups: list[Item] = field(default_factory=list)
    login_services: list[Item] = field(default_factory=list)
    trusted_issuers: list[Item] = field(default_factory=list)
    users: list[Item] = field(default_factory=list)
    clients: list[Item] = field(default_factory=list)


def _default(model: type[Model], field_name: str) -> Any:
    return model._meta.get_field(field_name).get_default()  # type: ignore[union-attr]


BRAND = (
    Key("slug", values.required_text, required=True),
    Key("name", values.required_text, required=True),
    Key("primary_color", values.text, _default(Brand, "primary_color")),
    Key("background_color", values.text),
    Key("scheme", values.choice(Brand.Scheme.values), _default(Brand, "scheme")),
    Key("corner_radius", values.number, _default(Brand, "corner_radius")),
    Key("font", values.choice(Brand.Font.values), _default(Brand, "font")),
    *(Key(name, values.brand_file(purpose), None) for name, purpose in PURPOSES.items()),
    Key("texts", values.by_language(texts.TEXTS), {}),
    Key("links", values.by_language(texts.LINKS), {}),
    Key("hosts", values.names, []),
    Key("privacy_url", values.text),
    Key("terms_url", values.text),
    Key("register_url", values.text),
    Key("reset_url", values.text),
    Key("support_url", values.text),
    Key("languages", values.texts, _default(Brand, "languages")),
    Key("approvals_needed", values.number, LEFT_ALONE),
)
# The one form of an object by itself; in a file a scope is its name and its description, or a table
# of that in several languages.
SCOPE = (
    Key("name", values.required_text, required=True),
    Key("description", values.text),
    Key("translations", values.text_table, {}),
)
# The long form of a scope group; the short one is the list of its members.
SCOPE_GROUP = (
    Key("description", values.text),
    Key("members", values.names, []),
)
# What an operator switched off stays off until a file says otherwise: `enabled` and `active`
# count only where they are written.
LOGIN_SERVICE = (
    Key("name", values.required_text, required=True),
    Key("kind", values.choice(LoginService.Kind.values), required=True),
    Key("brand", values.text, None),
    Key("settings", values.table, {}),
    Key("enabled", values.switch, LEFT_ALONE),
)
TRUSTED_ISSUER = (
    Key("name", values.required_text, required=True),
    Key("issuer", values.required_text, required=True),
    Key("audience", values.required_text, required=True),
    Key("jwks_url", values.text),
    Key("public_keys", values.public_keys, []),
    Key("algorithms", values.choices(ALGORITHMS), _default(TrustedIssuer, "algorithms")),
    Key("max_lifetime_seconds", values.number, _default(TrustedIssuer, "max_lifetime_seconds")),
    Key("subject_claim", values.text, _default(TrustedIssuer, "subject_claim")),
    Key("claims", values.text_table, {}),
    Key("login_service", values.required_text, required=True),
    Key("enabled", values.switch, LEFT_ALONE),
)
USER = (
    Key("login_service", values.required_text, required=True),
    Key("username", values.required_text, required=True),
    Key("password", values.password, LEFT_ALONE),
    Key("claims", values.table, {}),
    Key("active", values.switch, LEFT_ALONE),
)
CLIENT = (
    Key("client_id", values.required_text, required=True),
    Key("name", values.text),
    Key("description", values.text),
    Key("client_secret", values.secret, LEFT_ALONE),
    Key("client_secrets", values.client_secrets, LEFT_ALONE),
    Key(
        "client_type",
        values.choice([value for value, _ in Client.CLIENT_TYPES]),
        Client.CLIENT_CONFIDENTIAL,
    ),
    Key("grant_types", values.grant_types, []),
    Key("redirect_uris", values.redirect_uris, []),
    Key("post_logout_redirect_uris", values.redirect_uris, []),
    Key("backchannel_logout_uri", values.text),
    Key("backchannel_logout_session_required", values.switch, False),
    Key("allowed_origins", values.origins, []),
    Key("scopes", values.names, []),
    Key("scope_groups", values.names, []),
    Key("brand", values.text, None),
    Key("login_services", values.texts, []),
    Key("jwks", values.table, None),
    Key("jwks_url", values.text),
    Key("flags", values.flags, {}),
    Key("active", values.switch, LEFT_ALONE),
)


def read(document: Entry, problems: Problems) -> Configuration:
    """The items of the document; what is wrong is added to the problems."""
    if not isinstance(document.value, dict):
        problems.add(document, f"must be a table of sections: {', '.join(SECTIONS)}")
        return Configuration()
    _refuse_unknown(document, SECTIONS, problems)
    return Configuration(
        **{
            name: items
            for name, section in SECTIONS.items()
            if (items := section(document.part(name), problems))
        }
    )


def _brands(entry: Entry, problems: Problems) -> list[Item]:
    return _each_once("slug", _listed(entry, BRAND, problems), problems)


def _login_services(entry: Entry, problems: Problems) -> list[Item]:
    items = _each_once("name", _listed(entry, LOGIN_SERVICE, problems), problems)
    for item in items:
        _settle_settings(item, problems)
    return items


def _trusted_issuers(entry: Entry, problems: Problems) -> list[Item]:
    items = _each_once("name", _listed(entry, TRUSTED_ISSUER, problems), problems)
    return _each_once("issuer", items, problems)


def _settle_settings(item: Item, problems: Problems) -> None:
    """Puts the settings as they are stored; says where they are not those of their kind."""
    kind, given = item.values["kind"], item.values["settings"]
    place = item.place("settings")
    if kind not in service_settings.BY_KIND or given is None or problems.concern(place):
        return
    wrong = service_settings.problems(kind, given)
    for path, text in wrong:
        problems.add(_inside(place, path), text)
    if not wrong:
        item.values["settings"] = service_settings.read(kind, given).plain()


def _inside(place: Entry, path: service_settings.Place) -> Entry:
    """The entry at a path, or the last one on the way to it."""
    for step in path:
        if isinstance(step, str):
            place = place.part(step)
        elif isinstance(place.value, list) and step < len(place.value):
            place = place.value[step]
    return place


def _users(entry: Entry, problems: Problems) -> list[Item]:
    return _each_once("username", _listed(entry, USER, problems), problems, _user_identity)


def _clients(entry: Entry, problems: Problems) -> list[Item]:
    items = _each_once("client_id", _listed(entry, CLIENT, problems), problems)
    for item in items:
        _settle_secrets(item, problems)
    return items


def _scopes(entry: Entry, problems: Problems) -> list[Item]:
    return [_scope(name, place, problems) for name, place in _table(entry, problems)]


def _scope(name: str, entry: Entry, problems: Problems) -> Item:
    places = {"name": entry, "description": entry, "translations": entry}
    if not isinstance(entry.value, dict):
        description, translations = values.text(entry, problems) or "", {}
    else:
        translations = values.text_table(entry, problems) or {}
        if IN_ENGLISH not in entry.value:
            problems.add(entry, f"has no {IN_ENGLISH}, which is shown where a language is missing")
        places["description"] = entry.part(IN_ENGLISH)
        description = translations.pop(IN_ENGLISH, "")
    found = {"name": name, "description": description, "translations": translations}
    return Item(entry, found, places)


def _scope_groups(entry: Entry, problems: Problems) -> list[Item]:
    return [_scope_group(name, place, problems) for name, place in _table(entry, problems)]


def _scope_group(name: str, entry: Entry, problems: Problems) -> Item:
    if isinstance(entry.value, dict):
        found = {"name": name, **_values(entry, SCOPE_GROUP, problems)}
        return Item(entry, found, {"name": entry})
    members = values.names(entry, problems) or []
    found = {"name": name, "description": "", "members": members}
    return Item(entry, found, {"name": entry, "members": entry})


def read_object(section: str, entry: Entry, problems: Problems) -> Configuration:
    """One object, all of its keys in one table, as if it stood in a file."""
    if not isinstance(entry.value, dict):
        problems.add(entry, f"must be a table with the keys {', '.join(_names(OBJECTS[section]))}")
        return Configuration()
    return Configuration(**{section: [Item(entry, _values(entry, OBJECTS[section], problems))]})


# What is changed one by one. Secrets are made by themselves.
OBJECTS: dict[str, tuple[Key, ...]] = {
    "clients": tuple(key for key in CLIENT if key.name not in {"client_secret", "client_secrets"}),
    "scopes": SCOPE,
    "scope_groups": (SCOPE[0], *SCOPE_GROUP),
}


# In the order in which a file is applied: what is named comes before what names it.
SECTIONS: dict[str, Callable[[Entry, Problems], list[Item]]] = {
    "brands": _brands,
    "scopes": _scopes,
    "scope_groups": _scope_groups,
    "login_services": _login_services,
    "trusted_issuers": _trusted_issuers,
    "users": _users,
    "clients": _clients,
}


def _table(entry: Entry, problems: Problems) -> Iterable[tuple[str, Entry]]:
    return entry.value.items() if values.table(entry, problems) else ()


def _listed(entry: Entry, keys: tuple[Key, ...], problems: Problems) -> list[Item]:
    """The items of a list, without those that cannot be told from others."""
    items = []
    for place in values.entries(entry, problems):
        if not isinstance(place.value, dict):
            problems.add(place, f"must be a table with the keys {', '.join(_names(keys))}")
            continue
        items.append(Item(place, _values(place, keys, problems)))
    return items


def _names(keys: tuple[Key, ...]) -> list[str]:
    return [key.name for key in keys]


def _values(entry: Entry, keys: tuple[Key, ...], problems: Problems) -> dict[str, Any]:
    _refuse_unknown(entry, _names(keys), problems)
    found = {}
    for key in keys:
        place = entry.part(key.name)
        if key.required and key.name not in entry.value:
            problems.add(place, "is missing")
            found[key.name] = key.default
        elif (value := _value(key, place, problems)) is not LEFT_ALONE:
            found[key.name] = value
    return found


def _value(key: Key, place: Entry, problems: Problems) -> Any:
    if not key.required and place.value is None:
        return key.default
    value = key.read(place, problems)
    return key.default if value is None else value


def _refuse_unknown(entry: Entry, known: Iterable[str], problems: Problems) -> None:
    for name in entry.value:
        if name not in known:
            problems.add(entry.part(name), f"is no known key{did_you_mean(name, known)}")


def _by(key: str) -> Callable[[Item], Any]:
    return lambda item: item.values.get(key)


def _user_identity(item: Item) -> Any:
    """User names are compared without case, as when signing in."""
    service, username = item.values.get("login_service"), item.values.get("username")
    return (service, username.lower()) if service and username else None


def _each_once(
    key: str,
    items: list[Item],
    problems: Problems,
    identity: Callable[[Item], Any] | None = None,
) -> list[Item]:
    """The items that can be told from each other; of the others, the later one is a problem."""
    found: dict[Any, Item] = {}
    for item in items:
        name = (identity or _by(key))(item)
        if name in found:
            place = item.entry.part(key)
            first = found[name].entry.part(key).line
            problems.add(place, f"“{item.values[key]}” is given twice, first in line {first}")
        elif name:
            found[name] = item
    return list(found.values())


def _settle_secrets(item: Item, problems: Problems) -> None:
    """Makes `client_secret` a list of one, so that there is one key to look at."""
    given = [key for key in ("client_secret", "client_secrets") if item.entry.part(key).value]
    for key in given:
        if item.values["client_type"] == Client.CLIENT_PUBLIC:
            problems.add(item.entry.part(key), "a public client has no secret")
    if len(given) > 1:
        problems.add(item.entry.part(given[1]), "give client_secret or client_secrets, not both")
    if "client_secret" in item.values:
        item.values["client_secrets"] = [item.values.pop("client_secret")]
