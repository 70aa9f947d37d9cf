"""Two brands, a database each, the same user names in both: never confused, in any grant."""

import bcrypt
import pytest

from idp.accounts.models import User
from tests.configuration import (
    EXCHANGE,
    Shopper,
    basic,
    brand,
    client,
    gateway,
    introspected,
    post,
    shop,
)
from tests.login_services.databases import PostgreSQL
from tokens.grants.exchange_parameters import USER_REFERENCE_TYPE

pytestmark = pytest.mark.django_db

SLUGS = ("acme", "bolt")
PASSWORDS = {slug: f"the password of jane at {slug}" for slug in SLUGS}


@pytest.fixture(scope="module")
def databases():
    made = {slug: PostgreSQL(f"customers_of_{slug}") for slug in SLUGS}
    for slug, database in made.items():
        hashed = bcrypt.hashpw(PASSWORDS[slug].encode(), bcrypt.gensalt(4)).decode()
        database.add("jane", hashed, f"jane@{slug}.example")
    yield made
    for database in made.values():
        database.close()


@pytest.fixture
def services(databases, service):
    gateway()
    return {
        slug: service("sql", database.settings(), f"{slug}-web", brand(slug))
        for slug, database in databases.items()
    }


def subjects() -> dict[str, str]:
    """By login service, the one user that has signed in there."""
    return dict(User.objects.values_list("login_service__name", "sub"))


def test_authorization_code(services):
    for slug in SLUGS:
        shop(f"shop-{slug}", brand=brand(slug), login_services=[services[slug]])
    for slug, other in zip(SLUGS, reversed(SLUGS), strict=True):
        shopper = Shopper(f"shop-{slug}")
        refused = shopper.sign_in(shopper.authorize(), PASSWORDS[other])
        assert refused.status_code == 401
        answer = shopper.sign_in(shopper.authorize(), PASSWORDS[slug])
        assert answer.status_code in (302, 303)
        tokens = shopper.tokens()
        assert introspected(tokens["access_token"])["sub"] == subjects()[f"{slug}-web"]
    assert len(set(subjects().values())) == 2


def password_grant(client_id: str, password: str):
    form = {"grant_type": "password", "username": "jane", "password": password}
    return post("/oauth2/token", form, **basic(client_id))


def legacy(slug: str, *services):
    return client(
        f"legacy-{slug}",
        "openid",
        grant_types=["password"],
        login_services=list(services),
        brand=brand(slug),
        flags={"allow_password_grant": True, "consent": "never"},
    )


def test_password(services):
    for slug in SLUGS:
        legacy(slug, services[slug])
    for slug, other in zip(SLUGS, reversed(SLUGS), strict=True):
        assert password_grant(f"legacy-{slug}", PASSWORDS[other]).status_code == 400
        token = password_grant(f"legacy-{slug}", PASSWORDS[slug]).json()["access_token"]
        assert introspected(token)["sub"] == subjects()[f"{slug}-web"]


def test_a_client_of_both_brands_gets_the_one_whose_password_it_was(services):
    legacy("both", *services.values())
    for slug in SLUGS:
        token = password_grant("legacy-both", PASSWORDS[slug]).json()["access_token"]
        assert introspected(token)["sub"] == subjects()[f"{slug}-web"]
    assert len(set(subjects().values())) == 2


def test_on_behalf_of(services):
    """Both have the external id 1."""
    for slug in SLUGS:
        client(
            f"desk-{slug}",
            "openid",
            grant_types=[EXCHANGE],
            flags={
                "on_behalf_of_login_services": [f"{slug}-web"],
                "on_behalf_of_scopes": ["openid"],
            },
        )
    for slug, other in zip(SLUGS, reversed(SLUGS), strict=True):
        form = {"grant_type": EXCHANGE, "subject_token_type": USER_REFERENCE_TYPE}
        wrong = post(
            "/oauth2/token", {**form, "subject_token": f"{other}-web:1"}, **basic(f"desk-{slug}")
        )
        assert wrong.status_code == 400
        answer = post(
            "/oauth2/token", {**form, "subject_token": f"{slug}-web:1"}, **basic(f"desk-{slug}")
        )
        token = answer.json()["access_token"]
        assert introspected(token)["sub"] == subjects()[f"{slug}-web"]
        user = User.objects.get(login_service=services[slug])
        assert (user.username, user.claims["email"]) == ("jane", f"jane@{slug}.example")
    assert len(set(subjects().values())) == 2
