"""Expansion of nested scope groups: pure functions over `{group: members}`."""

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
