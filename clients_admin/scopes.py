"""Expansion of nested scope groups: pure functions over `{group: members}`."""

from collections.abc import Iterable, Mapping


class GroupCycleError(ValueError):
    """A scope group that contains itself; `path` walks the cycle once."""

    def __init__(self, path: list[str]) -> None:
        super().__init__(" → ".join(path))
        self.path = path


def expand(names: Iterable[str], groups: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """All scopes that `names` stand for: groups are opened, however deep, scopes stay.

    A cycle cannot be stored (`find_cycle` guards every save); should one be there all the same,
    each group is opened once and the answer is still right.
    """
    scopes, opened, waiting = set(), set(), list(names)
    while waiting:
        name = waiting.pop()
        if name not in groups:
            scopes.add(name)
        elif name not in opened:
            opened.add(name)
            waiting.extend(groups[name])
    return frozenset(scopes)


def find_cycle(groups: Mapping[str, Iterable[str]]) -> list[str] | None:
    """The first cycle among the groups as a path that ends where it began, or None."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done or name not in groups:
            return None
        for member in groups[name]:
            if cycle := walk(member, [*path, name]):
                return cycle
        done.add(name)
        return None

    for name in groups:
        if cycle := walk(name, []):
            return cycle
    return None
