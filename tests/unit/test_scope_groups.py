"""Scope groups as pure functions: what a group stands for, and which groups contain themselves."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients_admin.scopes import expand, find_cycle, paths

NAMES = st.sampled_from("abcdef")
GROUPS = st.dictionaries(NAMES, st.lists(st.sampled_from("abcdefxyz"), max_size=4))


def test_a_group_stands_for_its_scopes_however_deep_they_are():
    groups = {"all": ["shop", "profile"], "shop": ["orders", "stock"], "stock": ["stock.read"]}
    assert expand(["all", "openid"], groups) == {"orders", "stock.read", "profile", "openid"}


def test_an_empty_group_stands_for_nothing():
    assert expand(["empty"], {"empty": []}) == frozenset()


def test_a_scope_that_two_groups_share_is_there_once():
    groups = {"a": ["orders"], "b": ["orders", "a"]}
    assert expand(["a", "b", "orders"], groups) == {"orders"}


def test_a_name_that_is_no_group_is_a_scope():
    assert expand(["openid"], {}) == {"openid"}


def test_a_stored_cycle_is_opened_once_and_ends():
    assert expand(["a"], {"a": ["b", "x"], "b": ["a", "y"]}) == {"x", "y"}


def test_the_way_to_a_scope_is_the_shortest_one():
    groups = {"all": ["shop", "orders"], "shop": ["orders", "stock"], "stock": ["stock.read"]}
    assert paths(["all", "openid"], groups) == {
        "openid": ["openid"],
        "orders": ["all", "orders"],
        "stock.read": ["all", "shop", "stock", "stock.read"],
    }


@given(st.lists(NAMES), GROUPS)
def test_there_is_a_way_to_exactly_what_names_stand_for(names, groups):
    found = paths(names, groups)
    assert set(found) == expand(names, groups)
    for scope, path in found.items():
        assert (path[0] in names, path[-1]) == (True, scope)
        assert all(member in groups[group] for group, member in pairwise(path))


@pytest.mark.parametrize(
    ("groups", "cycle"),
    [
        ({"a": ["a"]}, ["a", "a"]),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, ["a", "b", "c", "a"]),
        ({"a": ["x", "b"], "b": ["c"], "c": ["y", "b"]}, ["b", "c", "b"]),
        ({"z": ["x"], "a": ["b"], "b": ["a"]}, ["a", "b", "a"]),
    ],
)
def test_a_cycle_is_told_as_the_path_that_walks_it_once(groups, cycle):
    assert find_cycle(groups) == cycle


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"a": []},
        {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["x"]},
        {"a": ["b", "b"], "b": ["x"]},
    ],
)
def test_groups_that_only_share_members_have_no_cycle(groups):
    assert find_cycle(groups) is None


@given(GROUPS)
def test_what_is_told_as_a_cycle_is_one(groups):
    cycle = find_cycle(groups)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(after in groups[before] for before, after in pairwise(cycle))


@given(GROUPS)
def test_where_no_cycle_is_told_no_group_reaches_itself(groups):
    def reached(name: str) -> set[str]:
        found, waiting = set(), list(groups[name])
        while waiting:
            member = waiting.pop()
            if member not in found:
                found.add(member)
                waiting.extend(groups.get(member, []))
        return found

    assert (find_cycle(groups) is None) == all(name not in reached(name) for name in groups)


@given(GROUPS, st.lists(st.sampled_from("abcdefxyz")))
def test_expansion_ends_and_leaves_no_group(groups, names):
    scopes = expand(names, groups)
    assert not scopes & groups.keys()
    assert expand(scopes, groups) == scopes


@given(GROUPS, st.lists(NAMES), st.lists(NAMES))
def test_names_expand_together_to_what_they_expand_to_alone(groups, some, others):
    assert expand([*some, *others], groups) == expand(some, groups) | expand(others, groups)
