"""Every page of the operators' UI, found by its own table of addresses, for each row there is."""

import base64
from collections.abc import Iterator
from itertools import product

import pytest
from django.contrib import admin
from django.db.models import Model
from django.urls import URLPattern, URLResolver, reverse

from clients_admin import secrets
from clients_admin.admin.proposals import DEEDS
from clients_admin.models import Client, ClientSecret
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.models import User
from idp.audit import changes
from idp.audit.models import AuditEvent
from tests.api.callers import block
from tests.proposals import propose
from tests.test_admin import PRIVATE_PART, client_form, operator, shop  # noqa: F401

pytestmark = pytest.mark.django_db

# The toolkit's pages of its own models, which are closed: they answer 403 without a look.
CLOSED = ("tokens_accesstoken_", "tokens_refreshtoken_", "tokens_authorizationcode_")
ANSWERS = {200, 302, 400, 403, 404, 405}


@pytest.fixture
def house(shop: Client) -> list[str]:  # noqa: F811
    """Something of everything; the secrets, and what is kept of them in each form."""
    made = [secrets.add(shop), secrets.add(shop)]
    before = changes.state_of(shop)
    shop.name = "Another"
    shop.save()
    changes.record_change(shop, before)
    block()
    propose(shop, operator_row("paula"), name="A third name")
    hidden = [*made, PRIVATE_PART.decode(), "argon2"]
    kept = [bytes(row.digest) for row in ClientSecret.objects.all()]
    for value in (*kept, PRIVATE_PART):
        hidden += [value.hex(), base64.b64encode(value).decode(), str(value)]
    return hidden


def operator_row(name: str) -> User:
    operator(name, EDITORS)
    return User.objects.get(username=name)


def named(urls: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    """All addresses of the site, without closed pages and the one that ends the walk."""
    for url in urls:
        if isinstance(url, URLResolver):
            yield from named(url.url_patterns)
        elif url.name and not url.name.startswith((*CLOSED, "logout")):
            yield url


def arguments(url: URLPattern) -> Iterator[dict[str, object]]:
    """What can stand in the places of an address: the rows of its model, or all there is."""
    places = url.pattern.regex.groupindex
    choices = {
        "app_label": sorted({model._meta.app_label for model in admin.site._registry}),
        "deed": sorted(DEEDS),
        "event_pk": list(AuditEvent.objects.order_by("-pk").values_list("pk", flat=True)[:3]),
        "secret_pk": list(ClientSecret.objects.values_list("pk", flat=True)),
    }
    rows = [row.pk for row in model_of(url)._base_manager.all()] if places else []
    for values in product(*(choices.get(place, rows) for place in places)):
        yield dict(zip(places, values, strict=True))


def model_of(url: URLPattern) -> type[Model]:
    for model in admin.site._registry:
        if str(url.name).startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            return model
    assert url.name == "app_list", f"whose page is {url.name}?"
    return User


def addresses() -> Iterator[str]:
    for url in named(admin.site.get_urls()):
        found = [reverse(f"admin:{url.name}", kwargs=given) for given in arguments(url)]
        assert found, f"nothing to look at: {url.name}"
        yield from found
        if str(url.name).endswith("_changelist"):
            yield f"{found[0]}?q=a"


def walked(name: str, role: str, hidden: list[str]) -> list[str]:
    """Looks at every page, and names those where something hidden can be read."""
    browser = operator(name, *([role] if role else []), is_superuser=not role)
    hidden = [*hidden, *User.objects.values_list("sessions_salt", flat=True)]
    opened, told = 0, []
    for address in addresses():
        response = browser.get(address)
        assert response.status_code in ANSWERS, (address, response.status_code)
        opened += response.status_code == 200
        text = f"{dict(response.headers)} {response.content.decode()}"
        told += [address for secret in hidden if secret in text]
    assert opened > 40
    return told


@pytest.mark.parametrize("role", [VIEWERS, EDITORS, ""])
def test_nobody_ever_receives_a_digest_a_password_hash_or_a_private_part(house, role):
    assert walked("olga", role, house) == []


def test_the_walk_would_find_what_is_shown(house):
    assert len(walked("olga", VIEWERS, ["https://shop.example/b"])) == 2


def test_whoever_only_looks_changes_nothing_by_hand_on_any_page(house):
    browser = operator("vera", VIEWERS)
    before = configuration()
    tried = 0
    for address in addresses():
        if "/proposal/" in address or "/request-client/" in address or "propose" in address:
            continue  # Viewers propose.
        response = browser.post(address, {**client_form(), "post": "yes", "reason": "mine"})
        assert response.status_code in ANSWERS, (address, response.status_code)
        assert secrets.PREFIX not in response.content.decode()
        tried += response.status_code == 403
    assert tried > 40
    assert configuration() == before


def configuration() -> dict[str, list[object]]:
    """All rows that the site shows and viewers may not change; lifting a block is theirs."""
    models = [
        model
        for model in admin.site._registry
        if model._meta.managed and model.__name__ not in {"AuditEvent", "Block", "Proposal", "User"}
    ]
    return {
        model.__name__: list(model._base_manager.order_by("pk").values())
        for model in [*models, ClientSecret]
    }
