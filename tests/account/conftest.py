"""Jane, the shop that she uses, and the gateway that looks at her tokens."""

import pytest


@pytest.fixture
def shopper(partition_lists: None):
    from tests.configuration import Shopper, account, gateway, shop

    account()
    gateway()
    shop()
    return Shopper()


@pytest.fixture
def jane(shopper):
    """Signed in, just now."""
    shopper.code()
    return shopper
