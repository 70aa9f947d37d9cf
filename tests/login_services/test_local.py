"""The accounts of this database."""

import json

import argon2
import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection

from idp.accounts import local
from idp.accounts.models import LocalAccount, LoginService
from idp.accounts.outcomes import Identity, Refused

pytestmark = pytest.mark.django_db

ACCOUNTS = 2000


@pytest.fixture
def customers() -> LoginService:
    return LoginService.objects.create(name="customers", kind=LoginService.Kind.LOCAL)


@pytest.fixture
def jane(customers) -> LocalAccount:
    account = LocalAccount(login_service=customers, username="Jane", claims={"name": "Jane"})
    local.set_password(account, "a secret of jane")
    account.save()
    return account


@pytest.mark.parametrize("name", ["Jane", "jane", "JANE"])
def test_the_letter_case_of_a_name_does_not_matter(customers, jane, name):
    expected = Identity(str(jane.external_id), "Jane", {"name": "Jane"})
    assert local.check(customers, name, "a secret of jane") == expected


@pytest.mark.parametrize("name", ["jan", "jane%", "j_ne", "janet", " jane"])
def test_a_name_that_is_almost_the_same_is_another_one(customers, jane, name):
    assert isinstance(local.check(customers, name, "a secret of jane"), Refused)


def test_the_hash_of_an_older_kind_is_written_anew_but_not_over_another_password(
    customers, jane, monkeypatch
):
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

    def keep(password: str) -> None:
        jane.password = f"argon2{weak.hash(password)}"
        jane.save()

    def set_meanwhile(password: str) -> str:
        keep("the new one")
        return make_password(password)

    keep("the old one")
    assert isinstance(local.check(customers, "jane", "the old one"), Identity)
    jane.refresh_from_db()
    assert not jane.password.startswith("argon2$argon2id$v=19$m=8,")
    keep("the old one")
    monkeypatch.setattr(local, "make_password", set_meanwhile)
    assert isinstance(local.check(customers, "jane", "the old one"), Identity)
    assert isinstance(local.check(customers, "jane", "the new one"), Identity)
    assert isinstance(local.check(customers, "jane", "the old one"), Refused)


def test_an_account_is_found_by_its_index_among_any_number(customers, jane):
    LocalAccount.objects.bulk_create(
        LocalAccount(login_service=customers, username=f"customer {number}")
        for number in range(ACCOUNTS)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE idp_localaccount")
    plan = json.loads(LocalAccount.objects.named("JANE", customers).explain(format="json"))
    assert plan[0]["Plan"]["Node Type"] == "Index Scan"
    assert plan[0]["Plan"]["Index Name"] == "local_account_username_unique"
