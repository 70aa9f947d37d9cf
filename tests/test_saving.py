"""Two operators on one page: the second is told what the first has saved, and loses nothing."""

import re
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.urls import reverse

from branding.models import Brand
from clients_admin.models import Client, ClientLoginService, Scope, ScopeGroup
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts.local import set_password
from idp.accounts.models import LocalAccount, LoginService, TrustedIssuer, User
from idp.audit import changes
from idp.audit.models import AuditEvent
from idp.audit.tags import Tag
from idp.blocking.models import NetworkProfile
from tests.operators import OperatorBrowser, opened
from tests.test_admin import change_form, operator, page

pytestmark = pytest.mark.django_db

HOME = "198.51.100.7"
MESSAGE = "Nothing has been saved: this has changed since you opened the page."
NEVER_OPENED: dict[str, Any] = {"opened_version": "", "opened_event": ""}


@pytest.fixture
def first() -> OperatorBrowser:
    browser = operator("anna", EDITORS)
    browser.defaults["REMOTE_ADDR"] = HOME
    return browser


@pytest.fixture
def second() -> OperatorBrowser:
    return operator("bert", EDITORS)


@pytest.fixture
def scope() -> Scope:
    return Scope.objects.create(name="orders.read", description="See your orders")


def table(html: str) -> dict[str, list[str]]:
    """The rows of the conflict by path: opened, stored, entered and the note."""
    section = html.split('id="conflict-title"')[1].split("</section>", maxsplit=1)[0]
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)[1:]:
        cells = [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        (note,) = re.findall(r'operators-help">(.*?)</p>', row) or [""]
        found[re.findall(r"<code>(.*?)</code>", row)[0]] = [*cells, note]
    return found


def client(**fields: Any) -> Client:
    made = Client.objects.create(
        client_id="shop", name="Shop", client_type="confidential", grant_types=["refresh_token"]
    )
    for name, value in fields.items():
        getattr(made, name).set(value)
    return made


def told(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_second_is_told_who_has_changed_what_and_can_save_knowingly(first, second):
    shop = client()
    address = page(Client, "change", shop.pk)
    seen = opened(second, address)
    first.post(address, change_form(shop, name="Anna's shop", description="Call Anna"))
    form = change_form(shop, name="Bert's shop", **{"flags-jwt_seconds": "90"})
    answer = second.post(address, {**form, **seen})
    html = answer.content.decode()
    assert answer.status_code == 200
    assert MESSAGE in html
    assert "anna (operators) saved it on" in told(html)
    assert f"UTC from {HOME}" in told(html)
    assert table(html) == {
        "description": [
            *("nothing", "Call Anna", "nothing"),
            "You left this as it was: saving sets it back.",
        ],
        "flags.jwt_seconds": ["nothing", "nothing", "90", "Only you have changed this."],
        "name": [
            *("Shop", "Anna&#x27;s shop", "Bert&#x27;s shop"),
            "You and somebody else have changed this: saving keeps yours.",
        ],
    }
    assert 'value="Bert&#x27;s shop"' in html  # What they entered.
    shop.refresh_from_db()
    assert (shop.name, shop.description, shop.flags) == ("Anna's shop", "Call Anna", {})
    hidden = dict(re.findall(r'<input type="hidden"\s+name="(opened_\w+)"\s+value="([^"]*)"', html))
    assert hidden == opened(second, address)
    assert second.post(address, {**form, **hidden}).status_code == 302
    shop.refresh_from_db()
    assert (shop.name, shop.flags) == ("Bert's shop", {"jwt_seconds": 90})
    told_of = AuditEvent.objects.filter(tag=Tag.CLIENTS_CLIENT_CHANGED).order_by("id")
    assert [event.actor for event in told_of] == ["anna (operators)", "bert (operators)"]


def test_names_of_others_and_the_order_of_login_services_count(first, second):
    read, write = (Scope.objects.create(name=name) for name in ("orders.read", "orders.write"))
    brand = Brand.objects.create(slug="acme", name="Acme")
    web, old = (LoginService.objects.create(name=name, brand=brand) for name in ("web", "old"))
    shop = client(scopes=[read])
    links = [
        ClientLoginService.objects.create(client=shop, login_service=service, position=position)
        for position, service in enumerate((web, old))
    ]
    address = page(Client, "change", shop.pk)

    def form(*positions: int) -> dict[str, Any]:
        rows = {
            f"clientloginservice_set-{number}-{name}": value
            for number, (link, position) in enumerate(zip(links, positions, strict=True))
            for name, value in (
                *(("id", link.pk), ("client", shop.pk)),
                *(("login_service", link.login_service_id), ("position", position)),
            )
        }
        counts = {f"clientloginservice_set-{name}_FORMS": 2 for name in ("TOTAL", "INITIAL")}
        return change_form(shop, scopes=[read.pk], **rows, **counts)

    seen = opened(second, address)
    assert first.post(address, form(2, 1)).status_code == 302
    answer = second.post(address, {**form(0, 1), **seen, "name": "Bert's"})
    assert table(answer.content.decode())["login_services"] == [
        *("web, old", "old, web", "web, old"),
        "You left this as it was: saving sets it back.",
    ]
    seen = opened(second, address)
    shop.scopes.add(write)  # By SQL, as it were: there is no event.
    answer = second.post(address, {**form(2, 1), **seen})
    assert "The audit does not say by whom." in answer.content.decode()
    assert set(shop.scopes.all()) == {read, write}


@pytest.mark.parametrize(
    "said",
    [
        NEVER_OPENED,
        {"opened_version": "x" * 100_000, "opened_event": "9" * 100_000},
        {"opened_version": "a\0b\ufffd", "opened_event": "-1"},
        {"opened_version": "../../etc", "opened_event": "٣"},
        {"opened_version": '"><script>', "opened_event": str(1 << 63)},
        {"opened_version": "A" * 22, "opened_event": str((1 << 63) - 1)},
    ],
)
def test_a_version_that_is_none_is_a_conflict_and_saves_nothing(second, scope, said):
    address = page(Scope, "change", scope.pk)
    answer = second.post(address, {"description": "Mine", **said})
    html = answer.content.decode()
    assert answer.status_code == 200
    assert MESSAGE in html
    assert "<script>" not in html.split('id="conflict-title"')[1].split("</section>")[0]
    assert table(html)["description"][1:3] == ["See your orders", "Mine"]
    scope.refresh_from_db()
    assert scope.description == "See your orders"
    assert not AuditEvent.objects.filter(tag=Tag.CLIENTS_SCOPE_CHANGED).exists()


def test_a_form_without_a_version_saves_nothing_whatever_field_names_its_row(second, scope):
    address = page(Scope, "change", scope.name)
    answer = second.post(f"{address}?_to_field=name", {"description": "Mine", **NEVER_OPENED})
    assert answer.status_code in {200, 400}
    scope.refresh_from_db()
    assert scope.description == "See your orders"


def test_a_mistake_in_an_old_page_is_told_with_the_conflict_which_stays_one(first, second):
    shop = client()
    address = page(Client, "change", shop.pk)
    seen = opened(second, address)
    first.post(address, change_form(shop, name="Anna's shop"))
    wrong = change_form(shop, **{"flags-jwt_seconds": "soon"})
    html = second.post(address, {**wrong, **seen}).content.decode()
    assert "must be a whole number of seconds" in html
    assert table(html)["name"] == ["Shop", "Anna&#x27;s shop", ""]
    assert f'name="opened_version" value="{seen["opened_version"]}"' in html
    right = change_form(shop, **{"flags-jwt_seconds": "90"})
    html = second.post(address, {**right, **seen}).content.decode()
    assert MESSAGE in html
    shop.refresh_from_db()
    assert (shop.name, shop.flags) == ("Anna's shop", {})


def test_what_is_hidden_is_told_by_its_name_alone(first, second):
    service = LoginService.objects.create(
        name="acme-web", brand=Brand.objects.create(slug="acme", name="Acme")
    )
    account = LocalAccount(login_service=service, username="jane")
    set_password(account, "the-first-password")
    account.save()
    address = page(LocalAccount, "change", account.pk)
    form = {"username": "jane", "is_active": "on"}
    seen = opened(second, address)
    first.post(address, {**form, "new_password": "the-second-password"})
    stored = LocalAccount.objects.get(pk=account.pk).password
    answer = second.post(address, {**form, **seen, "new_password": "the-third-password"})
    html = answer.content.decode()
    assert table(html)["password"] == ["not shown", "changed", "changed", ""]
    assert "argon2" not in html
    assert "third-password" not in html
    assert LocalAccount.objects.get(pk=account.pk).password == stored


def test_who_may_only_look_gets_no_version_and_saves_nothing_with_a_right_one(scope):
    viewer = operator("vera", VIEWERS)
    address = page(Scope, "change", scope.pk)
    assert opened(viewer, address) == {}
    form = {"description": "Mine", "opened_version": changes.version_of(scope)}
    assert viewer.post(address, form).status_code == 403
    scope.refresh_from_db()
    assert scope.description == "See your orders"


def rows_of_every_page() -> dict[Any, tuple[Any, dict[str, Any]]]:
    """A row of each model that operators change, and what makes another version of it."""
    brand = Brand.objects.create(slug="acme", name="Acme")
    service = LoginService.objects.create(name="acme-web", brand=brand)
    corporate = LoginService.objects.create(name="corporate", kind="corporate")
    issuer = TrustedIssuer.objects.create(
        name="sso", issuer="https://sso.example", jwks_url="https://x.example/j",
        audience="https://id.example", login_service=corporate,
    )  # fmt: skip
    account = LocalAccount(login_service=service, username="jane")
    set_password(account, "correct-horse-battery")
    account.save()
    return {
        Brand: (brand, {"name": "Other"}),
        Client: (client(), {"name": "Other"}),
        LocalAccount: (account, {"is_active": False}),
        LoginService: (service, {"is_enabled": False}),
        NetworkProfile: (NetworkProfile.objects.create(name="office"), {"networks": ["::1/128"]}),
        Scope: (Scope.objects.create(name="a"), {"description": "Other"}),
        ScopeGroup: (ScopeGroup.objects.create(name="g"), {"description": "Other"}),
        TrustedIssuer: (issuer, {"is_enabled": False}),
        User: (
            User.objects.create(login_service=service, external_id="1", username="jane"),
            {"is_staff": True},
        ),
    }


def test_every_page_of_a_model_that_operators_change_tells_of_a_conflict():
    superuser = operator("root", is_superuser=True)
    rows = rows_of_every_page()
    assert {model._meta.label for model in rows} == set(changes.TAGS)
    for model, (row, changed) in rows.items():
        address = page(model, "change", row.pk)
        seen = opened(superuser, address)
        assert seen["opened_version"] == changes.version_of(row), model
        before = changes.state_of(row)
        model.objects.filter(pk=row.pk).update(**changed)
        changes.record_change(row, before)
        html = superuser.post(address, seen).content.decode()
        assert 'id="conflict-title"' in html, model
        assert next(iter(changed)) in table(html), model


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_the_same_moment_one_wins_and_the_other_is_told():
    Group.objects.get_or_create(name=EDITORS)
    scope = Scope.objects.create(name="orders.read", description="See your orders")
    address = reverse("admin:clients_admin_scope_change", args=[scope.pk])
    browsers = [operator(name, is_superuser=True) for name in ("anna", "bert")]
    for _ in range(5):
        forms = [
            {"description": f"By {number} after {scope.description}"[:200], **opened(b, address)}
            for number, b in enumerate(browsers)
        ]
        barrier, answers = Barrier(2), {}

        def save(
            number: int, barrier: Barrier = barrier, answers: Any = answers, forms: Any = forms
        ) -> None:
            barrier.wait(10)
            try:
                answers[number] = browsers[number].post(address, forms[number])
            finally:
                connection.close()

        threads = [Thread(target=save, args=[number]) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(answer.status_code for answer in answers.values()) == [200, 302]
        (winner,) = (number for number, answer in answers.items() if answer.status_code == 302)
        scope.refresh_from_db()
        assert scope.description == forms[winner]["description"]
        html = answers[1 - winner].content.decode()
        assert MESSAGE in html
        assert forms[1 - winner]["description"] in html
    assert AuditEvent.objects.filter(tag=Tag.CLIENTS_SCOPE_CHANGED).count() == len(range(5))
