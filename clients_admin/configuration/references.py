"""Names that a file uses: each must be in the file or stored, and no group may contain itself."""

from collections.abc import Collection, Iterable

from clients_admin.configuration.document import Entry, Problems, did_you_mean
from clients_admin.configuration.sections import Configuration, Item
from clients_admin.configuration.stored import Rows
from clients_admin.flags import FLAGS, LOGIN_SERVICE, SCOPE_OR_GROUP
from clients_admin.models import scope_group_members
from clients_admin.scopes import find_cycle


class _Names:
    """What exists once the file is applied."""

    def __init__(self, configuration: Configuration, rows: Rows) -> None:
        self.brands = {*rows.brands, *_values(configuration.brands, "slug")}
        self.scopes = {*rows.scopes, *_values(configuration.scopes, "name")}
        self.scope_groups = {*rows.scope_groups, *_values(configuration.scope_groups, "name")}
        self.login_services = {*rows.login_services, *_values(configuration.login_services, "name")}
        self.by_noun = {
            LOGIN_SERVICE: self.login_services,
            SCOPE_OR_GROUP: self.scopes | self.scope_groups,
        }


def check(configuration: Configuration, rows: Rows, problems: Problems) -> None:
    """Adds a problem for each name that leads nowhere and each cycle of groups."""
    known = _Names(configuration, rows)
    for item in configuration.login_services:
        _one(item, "brand", "brand", known.brands, problems)
    for item in configuration.trusted_issuers:
        _one(item, "login_service", "login service", known.login_services, problems)
    for item in configuration.users:
        _one(item, "login_service", "login service", known.login_services, problems)
    for item in configuration.scope_groups:
        _all(item.place("members"), SCOPE_OR_GROUP, known.by_noun[SCOPE_OR_GROUP], problems)
    for item in configuration.clients:
        _one(item, "brand", "brand", known.brands, problems)
        _all(item.place("login_services"), "login service", known.login_services, problems)
        _all(item.place("scope_groups"), "scope group", known.scope_groups, problems)
        _scopes(item.place("scopes"), known, problems)
        for flag in FLAGS:
            if flag.names_of:
                place = item.place("flags").part(flag.name)
                _all(place, flag.names_of, known.by_noun[flag.names_of], problems)
    _refuse_cycles(configuration, problems)


def _values(items: Iterable[Item], key: str) -> set[str]:
    return {item.values[key] for item in items}


def _one(item: Item, key: str, noun: str, known: Collection[str], problems: Problems) -> None:
    place = item.place(key)
    if item.values.get(key) and item.values[key] not in known:
        _add_missing(place, noun, item.values[key], known, problems)


def _all(entry: Entry, noun: str, known: Collection[str], problems: Problems) -> None:
    for item, name in _named(entry):
        if name not in known:
            _add_missing(item, noun, name, known, problems)


def _scopes(entry: Entry, known: _Names, problems: Problems) -> None:
    for item, name in _named(entry):
        if name in known.scope_groups - known.scopes:
            problems.add(item, f"“{name}” is a scope group: list it under scope_groups")
        elif name not in known.scopes:
            _add_missing(item, "scope", name, known.scopes, problems)


def _named(entry: Entry) -> Iterable[tuple[Entry, str]]:
    items = entry.value if isinstance(entry.value, list) else []
    return [(item, item.value) for item in items if item.value and isinstance(item.value, str)]


def _add_missing(
    place: Entry, noun: str, name: str, known: Collection[str], problems: Problems
) -> None:
    problems.add(place, f"there is no {noun} “{name}”{did_you_mean(name, known)}")


def _refuse_cycles(configuration: Configuration, problems: Problems) -> None:
    """Over the groups of the file and the stored ones, which may be parts of one cycle."""
    places = {item.values["name"]: item for item in configuration.scope_groups}
    members = scope_group_members()
    members |= {name: item.values["members"] for name, item in places.items()}
    while cycle := find_cycle(members):
        # Told from the first group of it in the file; what is stored alone has no cycle.
        start = min(
            (name for name in cycle[:-1] if name in places),
            key=lambda name: places[name].entry.line,
            default=cycle[0],
        )
        at = cycle.index(start)
        path = " → ".join([*cycle[at:-1], *cycle[:at], start])
        if start in places:
            problems.add(places[start].entry, f"contains itself: {path}")
        members[start] = []
