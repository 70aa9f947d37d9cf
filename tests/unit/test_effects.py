"""Who gains and who loses scopes by a change: pure functions over names."""

from clients_admin.effects import Effect, Effects, Holdings

GROUPS = {"shop": ["orders.read", "orders.write"], "all": ["shop", "profile"], "none": []}


def effects(before: dict[str, list[str]], after: dict[str, list[str]]) -> tuple[Effect, ...]:
    return Effects.of(Holdings(before, GROUPS), Holdings(after, GROUPS)).clients


def test_groups_are_opened_however_deep():
    assert effects({"web": ["profile"]}, {"web": ["all"]}) == (
        Effect("web", gained=("orders.read", "orders.write"), lost=()),
    )


def test_who_has_the_same_scopes_by_another_way_gains_and_loses_nothing():
    by_group, one_by_one = ["all"], ["profile", "orders.read", "orders.write", "none"]
    found = Effects.of(Holdings({"web": by_group}, GROUPS), Holdings({"web": one_by_one}, GROUPS))
    assert found == Effects()
    assert not found


def test_a_change_of_a_group_reaches_all_who_have_a_group_around_it():
    clients = {"a": ["all"], "b": ["shop"], "c": ["orders.write"], "d": ["shop", "orders.write"]}
    after = {**GROUPS, "shop": ["orders.read", "orders.cancel"]}
    found = Effects.of(Holdings(clients, GROUPS), Holdings(clients, after))
    assert found.clients == (
        Effect("a", ("orders.cancel",), ("orders.write",)),
        Effect("b", ("orders.cancel",), ("orders.write",)),
        Effect("d", ("orders.cancel",), ()),
    )
    assert (found.gaining, found.losing) == (3, 2)


def test_a_client_that_comes_gains_and_one_that_goes_loses_all():
    assert effects({"old": ["profile"]}, {"new": ["shop"]}) == (
        Effect("new", ("orders.read", "orders.write"), ()),
        Effect("old", (), ("profile",)),
    )


def test_a_digest_stands_for_the_very_effects():
    found = {
        Effects(clients).digest
        for clients in (
            (),
            (Effect("a", ("x",), ()),),
            (Effect("a", (), ("x",)),),
            (Effect("b", ("x",), ()),),
            (Effect("a", ("x", "y"), ()),),
            (Effect("a", ("x",), ()), Effect("b", ("y",), ())),
        )
    }
    assert len(found) == len(range(6))
