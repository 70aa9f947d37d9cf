"""Servers of others, shared by the tests of a module, and processes that have asked nobody yet.

Nothing of the product is imported before it has its settings.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from branding.models import Brand
    from idp.accounts.models import LoginService
    from tests.login_services.slapd import Slapd


@pytest.fixture(autouse=True)
def nobody_has_been_asked() -> Iterator[None]:
    from idp.accounts import circuit, sql, sql_pool

    yield
    sql_pool.forget()
    circuit.forget()
    sql._dummies.clear()


@pytest.fixture(scope="module")
def running_slapd() -> "Iterator[Slapd]":
    from tests.login_services.slapd import Slapd

    with Slapd() as server:
        yield server


@pytest.fixture
def slapd(running_slapd: "Slapd") -> "Iterator[Slapd]":
    """The module's directory, which goes on whatever a test has done to it."""
    yield running_slapd
    running_slapd.go_on()


@pytest.fixture
def service(db: None) -> "Callable[..., LoginService]":
    """Makes a login service, as the admin and configuration files do: its settings are checked."""
    from idp.accounts.models import LoginService
    from tests.configuration import brand

    def make(
        kind: str, settings: dict[str, Any], name: str = "", of: "Brand | None" = None
    ) -> LoginService:
        made = LoginService(
            name=name or f"{kind}-{LoginService.objects.count()}",
            kind=kind,
            settings=settings,
            brand=of or brand(),
        )
        made.full_clean()
        made.save()
        return made

    return make
