"""Expansion of nested scope groups: pure functions over `{group: members}`."""

from collections import deque
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


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


def paths(names: Iterable[str], groups: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """The shortest way to each scope that `names` stand for: the name, the groups in it, the scope.

    The keys are what `expand` answers.
    """
    found: dict[str, list[str]] = {}
    waiting = deque([name] for name in sorted(names))
    opened = set()
    while waiting:
        path = waiting.popleft()
        name = path[-1]
        if name not in groups:
            found.setdefault(name, path)
        elif name not in opened:
            opened.add(name)
            waiting.extend([*path, member] for member in sorted(groups[name]))
    return found


def find_cycle(groups: Mapping[str, Iterable[str]]) -> list[str] | None:
    """A cycle among the groups as a path that ends where it began, or None."""
    try:
        TopologicalSorter(groups).prepare()
    except CycleError as error:
        # graphlib walks from member to container, and begins anywhere.
        members = error.args[1][:0:-1]
        begin = members.index(next(name for name in groups if name in members))
        return [*members[begin:], *members[:begin], members[begin]]
    return None


def groups_above(name: str, groups: Mapping[str, Iterable[str]]) -> set[str]:
    """`name` and every group that opens to it, however deep."""
    above, waiting = {name}, [name]
    while waiting:
        below = waiting.pop()
        found = {group for group, inside in groups.items() if below in inside} - above
        above |= found
        waiting.extend(found)
    return above
