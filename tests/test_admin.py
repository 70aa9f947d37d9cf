"""The operators' UI: what editors can do there, what viewers cannot, and what nobody ever sees."""

import re

import pytest
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from branding.models import Brand
from clients_admin import secrets
from clients_admin.admin.durations import in_words
from clients_admin.models import Client, ClientLoginService, ClientSecret, Scope, ScopeGroup
from clients_admin.roles import APPROVERS, EDITORS, VIEWERS
from clients_admin.scopes import groups_above
from idp.accounts.local import set_password
from idp.accounts.models import LocalAccount, LoginService, TrustedIssuer, User
from tests.operators import OperatorBrowser
from tokens.keys.models import SigningKey

pytestmark = pytest.mark.django_db

EVERY_MODEL = (
    *(Client, Scope, ScopeGroup, Brand, LoginService, TrustedIssuer, LocalAccount, User),
    SigningKey,
)
PASSWORD = "correct-horse-battery"
PRIVATE_PART = b"the sealed private part of a key"


def page(model, name="changelist", *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def operator(name, role=None, *, is_superuser=False):
    """A signed-in browser of somebody with this role, who has an account among the operators."""
    service, _ = LoginService.objects.get_or_create(name="operators")
    account = LocalAccount(login_service=service, username=name)
    set_password(account, PASSWORD)
    account.save()
    user = User.objects.create(
        login_service=service,
        external_id=str(account.external_id),
        username=name,
        is_staff=True,
        is_superuser=is_superuser,
    )
    if role:
        user.groups.add(Group.objects.get(name=role))
    browser = OperatorBrowser()
    browser.force_login(user)
    return browser


@pytest.fixture
def editor():
    return operator("eddy", EDITORS)


@pytest.fixture
def viewer():
    return operator("vera", VIEWERS)


@pytest.fixture
def superuser():
    return operator("root", is_superuser=True)


@pytest.fixture
def shop():
    """A client that has one of everything."""
    brand = Brand.objects.create(slug="acme", name="Acme", primary_color="#0a5")
    service = LoginService.objects.create(name="acme-web", brand=brand)
    corporate = LoginService.objects.create(name="corporate", kind="corporate")
    TrustedIssuer.objects.create(
        name="sso",
        issuer="https://sso.example",
        audience="https://id.example",
        jwks_url="https://sso.example/jwks",
        login_service=corporate,
    )
    read = Scope.objects.create(name="orders.read", description="See your orders")
    group = ScopeGroup.objects.create(name="shop")
    group.scopes.add(read)
    client = Client.objects.create(
        client_id="shop-web",
        name="Shop",
        client_type="confidential",
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris="https://shop.example/a https://shop.example/b",
        brand=brand,
        flags={"access_token_seconds": 5400, "team": "checkout"},
    )
    client.scope_groups.add(group)
    ClientLoginService.objects.create(client=client, login_service=service)
    account = LocalAccount(login_service=service, username="jane", claims={"email": "j@x.example"})
    set_password(account, PASSWORD)
    account.save()
    SigningKey.objects.create(
        kid="kid-1",
        algorithm="ES256",
        state="retired",
        retired_at=timezone.now(),
        public_jwk={},
        private_encrypted=PRIVATE_PART,
    )
    return client


def client_form(**changes):
    """What the page of a client sends."""
    return {
        "client_id": "new-client",
        "name": "New",
        "client_type": "confidential",
        "is_active": "on",
        "grant_types": ["client_credentials"],
        "clientloginservice_set-TOTAL_FORMS": "0",
        "clientloginservice_set-INITIAL_FORMS": "0",
        "flags-other-name": [""],
        "flags-other-value": [""],
        **changes,
    }


def change_form(client, **changes):
    form = client_form(
        name=client.name, grant_types=client.grant_types, redirect_uris=client.redirect_uris
    )
    return {**form, "scope_groups": [group.pk for group in client.scope_groups.all()], **changes}


def row_of(html, flag):
    """The row of one flag, as text."""
    return re.search(rf"<tr[^>]*>(?:(?!</tr>).)*flag-{flag}\b.*?</tr>", html, re.DOTALL)[0]


# --- Roles ------------------------------------------------------------------------------------


def test_all_roles_exist_after_the_first_migrate_and_viewers_know_nothing_of_secrets():
    granted = {
        group.name: set(group.permissions.values_list("codename", flat=True))
        for group in Group.objects.all()
    }
    assert set(granted) == {EDITORS, VIEWERS, APPROVERS}
    may_do = {codename for codename in granted[VIEWERS] if not codename.startswith("view_")}
    assert may_do == {"add_proposal", "lift_block"}
    assert granted[APPROVERS] == granted[VIEWERS] | {"approve_proposal"}
    assert "view_signingkey" in granted[VIEWERS]
    assert not [codename for codename in granted[VIEWERS] if "secret" in codename]
    assert granted[EDITORS] > granted[VIEWERS]
    assert "approve_proposal" not in granted[EDITORS]
    assert "delete_clientsecret" not in granted[EDITORS]
    assert not {"add_user", "change_user", "delete_user"} & granted[EDITORS]


def test_a_viewer_sees_every_object_but_not_that_a_secret_exists(viewer, shop):
    secrets.add(shop)
    for model in EVERY_MODEL:
        assert viewer.get(page(model)).status_code == 200
        assert viewer.get(page(model, "change", model.objects.first().pk)).status_code == 200
    html = viewer.get(page(Client, "change", shop.pk)).content.decode()
    assert "https://shop.example/b" in html
    assert "1 hour 30 minutes" in row_of(html, "access_token_seconds")
    assert "checkout" in html
    assert "tab-secrets" not in html
    assert "&quot;team&quot;" not in html  # JSON
    assert 'name="_save"' not in html


def test_a_viewer_who_posts_by_hand_gets_403_and_changes_nothing(viewer, shop):
    secrets.add(shop)
    before = Client.objects.values().get(pk=shop.pk)
    posted = 0
    for model in EVERY_MODEL:
        row = model.objects.first()
        for address in (
            page(model, "add"),
            page(model, "change", row.pk),
            page(model, "delete", row.pk),
        ):
            assert viewer.post(address, {**client_form(), "post": "yes"}).status_code == 403
            posted += 1
    secret = ClientSecret.objects.get()
    for name, arguments in (("new_secret", [shop.pk]), ("end_secret", [shop.pk, secret.pk])):
        assert viewer.post(page(Client, name, *arguments)).status_code == 403
    assert viewer.get(page(Client, "end_secret", shop.pk, secret.pk)).status_code == 403
    assert posted == 3 * len(EVERY_MODEL)
    assert Client.objects.values().get(pk=shop.pk) == before
    assert ClientSecret.objects.get().expires_at is None


def test_who_has_no_role_sees_nothing_and_who_is_not_signed_in_is_sent_to_the_form(shop):
    nobody = operator("nobody")
    assert nobody.get(page(Client, "change", shop.pk)).status_code == 403
    response = Browser().get(page(Client, "change", shop.pk))
    assert response["Location"].startswith("/admin/login/?next=")


# --- The page of a client ---------------------------------------------------------------------


def test_an_editor_makes_a_client_with_typed_flags_and_stays_on_its_page(editor, shop):
    service = LoginService.objects.get(name="acme-web")
    response = editor.post(
        page(Client, "add"),
        client_form(
            grant_types=["authorization_code", "refresh_token"],
            redirect_uris="https://new.example/a\r\nhttps://new.example/b\r\n",
            scopes=[Scope.objects.get().pk],
            brand=shop.brand.pk,
            **{
                "flags-jwt_seconds": " 90 ",
                "flags-consent": "never",
                "flags-jwt_audience": "orders",
                "flags-other-name": ["team", ""],
                "flags-other-value": ["new team", ""],
                "clientloginservice_set-TOTAL_FORMS": "1",
                "clientloginservice_set-0-login_service": service.pk,
                "clientloginservice_set-0-position": "3",
            },
        ),
    )
    client = Client.objects.get(client_id="new-client")
    assert response["Location"] == page(Client, "change", client.pk)
    assert client.redirect_uris == "https://new.example/a https://new.example/b"
    assert client.flags == {
        "jwt_seconds": 90,
        "consent": "never",
        "jwt_audience": "orders",
        "team": "new team",
    }
    assert list(client.ordered_login_services()) == [service]
    html = editor.get(response["Location"]).content.decode()
    assert "https://new.example/a\nhttps://new.example/b</textarea>" in html
    assert "1 minute 30 seconds" in row_of(html, "jwt_seconds")


def test_an_emptied_flag_is_the_default_again_and_unknown_keys_stay(editor, shop):
    editor.post(
        page(Client, "change", shop.pk),
        change_form(
            shop,
            **{
                "flags-access_token_seconds": "",
                "flags-other-name": ["team"],
                "flags-other-value": ["checkout"],
            },
        ),
    )
    shop.refresh_from_db()
    assert shop.flags == {"team": "checkout"}
    assert shop.effective_flags.access_token_seconds == 7200


def test_the_default_and_what_is_set_here_are_visible(editor, shop):
    html = editor.get(page(Client, "change", shop.pk)).content.decode()
    assert 'class="is-set"' in row_of(html, "access_token_seconds")
    assert 'value="5400"' in row_of(html, "access_token_seconds")
    assert 'class="is-set"' not in row_of(html, "jwt_seconds")
    assert "300 (5 minutes)" in row_of(html, "jwt_seconds")
    assert "RS256 (default)" in row_of(html, "id_token_alg")


@pytest.mark.parametrize(
    ("flag", "text", "problem"),
    [
        ("access_token_seconds", "99999999", "must be between 1 and 2592000 seconds."),
        ("access_token_seconds", "0", "must be between 1 and 2592000 seconds."),
        ("access_token_seconds", "an hour", "must be a whole number of seconds."),
        ("access_token_seconds", "1e3", "must be a whole number of seconds."),
        ("access_token_seconds", "٣٦٠٠", "must be a whole number of seconds."),
        ("access_token_seconds", "9" * 5000, "must be a whole number of seconds."),
        ("consent", "sometimes", "must be one of never, remember, always."),
        ("allow_password_grant", "maybe", "must be true or false."),
        ("on_behalf_of_scopes", "orders.read orders.read", "must have at most 200 names, each"),
        ("on_behalf_of_scopes", "a\0b", "must not hold a NUL character."),
        ("on_behalf_of_login_services", "name " * 5000, "must have at most 50 names, each once."),
        ("jwt_audience", "a" * 201, "must have 1 to 200 characters."),
        ("jwt_audience", "a\0b", "must not hold a NUL character."),
    ],
)
def test_a_bad_flag_is_refused_beside_its_row_and_saves_nothing(editor, shop, flag, text, problem):
    response = editor.post(
        page(Client, "change", shop.pk), change_form(shop, **{f"flags-{flag}": text})
    )
    assert response.status_code == 200
    html = response.content.decode()
    assert f"{flag} {problem}" in row_of(html, flag)
    assert html.count(problem) == 1
    assert "operatorTabs('flags', true)" in html
    shop.refresh_from_db()
    assert shop.flags == {"access_token_seconds": 5400, "team": "checkout"}


def test_switches_and_lists_of_names_are_entered_in_words(editor, shop):
    address = page(Client, "change", shop.pk)
    form = {
        "flags-allow_password_grant": "no",
        "flags-on_behalf_of_login_services": "acme-web  corporate",
        "flags-on_behalf_of_scopes": "shop\r\norders.read",
    }
    assert editor.post(address, change_form(shop, **form)).status_code == 302
    shop.refresh_from_db()
    assert shop.flags == {
        "allow_password_grant": False,
        "on_behalf_of_login_services": ["acme-web", "corporate"],
        "on_behalf_of_scopes": ["shop", "orders.read"],
    }
    html = editor.get(address).content.decode()
    row = " ".join(row_of(html, "allow_password_grant").split())
    assert '<option value="">no (default)</option>' in row
    assert '<option value="no" selected>no</option>' in row
    assert ">acme-web corporate</textarea>" in row_of(html, "on_behalf_of_login_services")
    assert "none" in row_of(html, "on_behalf_of_scopes")
    editor.post(address, change_form(shop, **{"flags-allow_password_grant": "yes"}))
    shop.refresh_from_db()
    assert shop.flags == {"allow_password_grant": True}


def test_a_viewer_reads_switches_and_lists_of_names_in_words(viewer, shop):
    shop.flags = {"allow_password_grant": True, "on_behalf_of_scopes": ["shop", "orders.read"]}
    shop.save()
    html = viewer.get(page(Client, "change", shop.pk)).content.decode()
    for flag, text in (
        ("allow_password_grant", "yes"),
        ("on_behalf_of_scopes", "shop orders.read"),
        ("on_behalf_of_login_services", "none"),
    ):
        cell = row_of(html, flag).split('<td data-label="Value">')[1].partition("</td>")[0]
        assert cell.strip() == text


@pytest.mark.parametrize(
    ("flag", "text", "problem"),
    [
        (
            "on_behalf_of_login_services",
            "acme-web corporat",
            "on_behalf_of_login_services: there is no login service “corporat”",
        ),
        (
            "on_behalf_of_scopes",
            "shop orders.write",
            "on_behalf_of_scopes: there is no scope or scope group “orders.write”",
        ),
        ("on_behalf_of_scopes", "x" * 100_000, "there is no scope or scope group “xxx"),
    ],
)
def test_a_flag_that_names_what_is_not_there_is_refused_beside_its_row(
    editor, shop, flag, text, problem
):
    address = page(Client, "change", shop.pk)
    html = editor.post(address, change_form(shop, **{f"flags-{flag}": text})).content.decode()
    assert problem in row_of(html, flag)
    assert html.count(problem) == 1
    assert "operatorTabs('flags', true)" in html
    shop.refresh_from_db()
    assert flag not in shop.flags


@pytest.mark.parametrize(
    ("names", "values", "problem"),
    [
        ([""], ["text"], "A key needs a name."),
        (["jwt_seconds"], ["60"], "jwt_seconds has its own row above."),
        (["team", "team"], ["a", "b"], "team is here twice."),
        (["team"], ["a\0"], "team must not hold a NUL character."),
        (["k" * 101], ["a"], "is too long"),
    ],
)
def test_a_bad_unknown_key_is_refused_beside_its_row(editor, shop, names, values, problem):
    response = editor.post(
        page(Client, "change", shop.pk),
        change_form(shop, **{"flags-other-name": names, "flags-other-value": values}),
    )
    assert re.search(
        rf'<ul id="other-\d+-errors".*?{re.escape(problem)}', response.content.decode(), re.DOTALL
    )


def test_what_the_model_refuses_is_said_beside_the_field(editor, shop):
    response = editor.post(
        page(Client, "change", shop.pk),
        change_form(
            shop,
            client_type="public",
            grant_types=["client_credentials"],
            redirect_uris="https://a.example\nhttp://b.example",
        ),
    )
    errors = response.context["adminform"].form.errors
    assert errors["redirect_uris"] == [
        "“http://b.example”: plain http is for loopback addresses only."
    ]
    assert errors["grant_types"] == ["A public client cannot have client_credentials."]
    assert "operatorTabs('grants-and-redirects', true)" in response.content.decode()


def test_a_client_id_never_changes(editor, shop):
    editor.post(page(Client, "change", shop.pk), change_form(shop, client_id="other"))
    shop.refresh_from_db()
    assert shop.client_id == "shop-web"


def test_deleting_a_client_asks_first(editor, shop):
    address = page(Client, "delete", shop.pk)
    assert "Are you sure" in editor.get(address).content.decode()
    assert Client.objects.filter(pk=shop.pk).exists()
    editor.post(address, {"post": "yes"})
    assert not Client.objects.filter(pk=shop.pk).exists()


# --- Secrets -----------------------------------------------------------------------------------


def test_a_new_secret_is_shown_in_one_answer_and_kept_nowhere(editor, shop):
    response = editor.post(page(Client, "new_secret", shop.pk))
    secret = re.search(r"cs_[A-Za-z0-9_-]{43}", response.content.decode())[0]
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert secrets.verify(shop, secret)
    assert secret not in str(dict(editor.session)) + str(editor.cookies) + str(response.headers)
    assert not list(get_messages(response.wsgi_request))
    assert secret not in editor.get(page(Client, "change", shop.pk)).content.decode()
    assert secret not in editor.get(page(Client, "history", shop.pk)).content.decode()


def test_a_secret_is_made_by_post_only(editor, shop):
    assert editor.get(page(Client, "new_secret", shop.pk)).status_code == 405
    assert not ClientSecret.objects.exists()


def test_at_most_two_secrets_live_and_an_ended_one_makes_room(editor, shop):
    address = page(Client, "new_secret", shop.pk)
    for _ in range(2):
        editor.post(address)
    response = editor.post(address, follow=True)
    assert "Two secrets are live" in response.content.decode()
    assert ClientSecret.objects.count() == 2
    oldest = shop.secrets.last()
    assert (
        "has never been used"
        in editor.get(page(Client, "end_secret", shop.pk, oldest.pk)).content.decode()
    )
    editor.post(page(Client, "end_secret", shop.pk, oldest.pk))
    assert oldest not in secrets.live(shop)
    assert editor.post(address).status_code == 200


def test_an_end_is_never_moved(editor, shop):
    secrets.add(shop)
    ended_at = timezone.now()
    shop.secrets.update(expires_at=ended_at)
    editor.post(page(Client, "end_secret", shop.pk, shop.secrets.get().pk))
    assert shop.secrets.get().expires_at == ended_at


def test_a_secret_of_another_client_and_one_of_a_public_client_are_refused(editor, shop):
    other = Client.objects.create(client_id="spa", client_type="public")
    secrets.add(shop)
    secret = shop.secrets.get()
    assert editor.post(page(Client, "end_secret", other.pk, secret.pk)).status_code == 404
    response = editor.post(page(Client, "new_secret", other.pk), follow=True)
    assert "A public client has no secret." in response.content.decode()
    assert not other.secrets.exists()


# --- Scopes and groups -------------------------------------------------------------------------


def test_a_group_that_would_contain_itself_is_refused_with_the_path(editor, shop):
    inner = ScopeGroup.objects.get(name="shop")
    outer = ScopeGroup.objects.create(name="all")
    outer.groups.add(inner)
    response = editor.post(
        page(ScopeGroup, "change", inner.pk), {"description": "", "groups": [outer.pk]}
    )
    (problem,) = response.context["adminform"].form.errors["groups"]
    assert problem in {
        "A group must not contain itself: all → shop → all.",
        "A group must not contain itself: shop → all → shop.",
    }
    assert not inner.groups.exists()


def test_a_group_that_names_itself_is_refused(editor, shop):
    group = ScopeGroup.objects.get()
    response = editor.post(page(ScopeGroup, "change", group.pk), {"groups": [group.pk]})
    assert response.context["adminform"].form.errors["groups"] == [
        "A group must not contain itself: shop → shop."
    ]


def test_groups_nest(editor, shop):
    inner = ScopeGroup.objects.get()
    editor.post(page(ScopeGroup, "add"), {"name": "all", "groups": [inner.pk]})
    assert list(ScopeGroup.objects.get(name="all").groups.all()) == [inner]


def test_a_scope_lists_who_uses_it_and_cannot_be_deleted_while_it_is_used(editor, shop):
    scope = Scope.objects.get()
    html = editor.get(page(Scope, "change", scope.pk)).content.decode()
    assert page(ScopeGroup, "change", ScopeGroup.objects.get().pk) in html
    assert page(Client, "change", shop.pk) in html
    assert editor.post(page(Scope, "delete", scope.pk), {"post": "yes"}).status_code == 403
    # A flag that names it is a use of it, too.
    named = Scope.objects.create(name="named")
    Client.objects.filter(pk=shop.pk).update(flags={"on_behalf_of_scopes": ["named"]})
    assert editor.post(page(Scope, "delete", named.pk), {"post": "yes"}).status_code == 403
    assert Scope.objects.filter(name="named").exists()
    unused = Scope.objects.create(name="unused")
    editor.post(page(Scope, "delete", unused.pk), {"post": "yes"})
    assert set(Scope.objects.all()) == {scope, named}


def test_groups_above_opens_every_level():
    members = {"a": ["b", "x"], "b": ["c"], "c": ["s"], "d": ["x"]}
    assert groups_above("s", members) == {"s", "c", "b", "a"}


# --- Brands, people, keys ----------------------------------------------------------------------


def test_a_short_colour_is_shown_as_a_browser_understands_it(editor, shop):
    html = editor.get(page(Brand, "change", shop.brand.pk)).content.decode()
    assert 'value="#00aa55"' in html


def test_the_first_language_of_a_brand_is_a_choice_of_its_own(editor, shop):
    look = {"primary_color": "#00aa55", "scheme": "light", "corner_radius": "8", "font": "serif"}
    form = {"name": "Acme", "languages": ["en", "nl"], **look}
    address = page(Brand, "change", shop.brand.pk)
    editor.post(address, {**form, "first_language": "nl"})
    assert Brand.objects.get().languages == ["nl", "en"]
    response = editor.post(address, {**form, "first_language": "fr"})
    assert "first_language" in response.context["adminform"].form.errors


def test_an_editor_makes_an_account_whose_password_is_hashed_and_never_shown(editor, shop):
    service = LoginService.objects.get(name="acme-web")
    form = {
        "login_service": service.pk,
        "username": "John",
        "is_active": "on",
        "new_password": PASSWORD,
        "given_name": "John",
    }
    editor.post(page(LocalAccount, "add"), form)
    account = LocalAccount.objects.get(username="John")
    assert account.password.startswith("argon2$")
    assert check_password(PASSWORD, account.password)
    assert account.claims == {"given_name": "John"}
    address = page(LocalAccount, "change", account.pk)
    assert PASSWORD not in editor.get(address).content.decode()
    editor.post(address, {**form, "new_password": "", "email": "john@x.example"})
    account.refresh_from_db()
    assert check_password(PASSWORD, account.password)
    assert account.claims == {"given_name": "John", "email": "john@x.example"}
    response = editor.post(address, {**form, "username": "JANE"})
    assert response.context["adminform"].form.errors["username"] == [
        "This user name is taken in this login service."
    ]


def test_an_editor_cannot_take_over_an_operator(editor, superuser):
    account = LocalAccount.objects.get(username="root")
    address = page(LocalAccount, "change", account.pk)
    assert editor.post(address, {"username": "root", "new_password": "mine"}).status_code == 403
    assert editor.post(page(LocalAccount, "delete", account.pk)).status_code == 403
    service = LoginService.objects.get(name="operators")
    assert editor.post(page(LoginService, "change", service.pk), {}).status_code == 403
    response = editor.post(
        page(LocalAccount, "add"),
        {"login_service": service.pk, "username": "x", "new_password": PASSWORD},
    )
    assert "login_service" in response.context["adminform"].form.errors


def test_only_a_superuser_gives_roles(editor, superuser):
    user = User.objects.get(username="eddy")
    address = page(User, "change", user.pk)
    form = {"is_staff": "on", "groups": [Group.objects.get(name=VIEWERS).pk], "username": "other"}
    assert editor.post(address, form).status_code == 403
    assert superuser.post(address, form).status_code == 302
    user.refresh_from_db()
    assert [group.name for group in user.groups.all()] == [VIEWERS]
    assert user.username == "eddy"


def test_signing_keys_are_for_reading(superuser, shop):
    key = SigningKey.objects.get(kid="kid-1")
    assert superuser.get(page(SigningKey, "change", key.pk)).status_code == 200
    for name, arguments in (("add", []), ("change", [key.pk]), ("delete", [key.pk])):
        assert superuser.post(page(SigningKey, name, *arguments)).status_code == 403


# --- The site ----------------------------------------------------------------------------------


def test_an_operator_signs_in_with_a_user_name_longer_than_a_subject():
    name = "a-user-name-of-more-than-22-characters"
    operator(name, EDITORS)
    browser = Browser()
    html = browser.get("/admin/login/").content.decode()
    assert "User name" in html
    assert 'maxlength="255"' in html
    refused = browser.post("/admin/login/", {"username": name, "password": "wrong"})
    assert refused.status_code == 200
    response = browser.post(
        "/admin/login/?next=/admin/", {"username": name, "password": PASSWORD}, follow=True
    )
    assert response.redirect_chain == [("/admin/", 302)]


def test_only_the_admin_may_evaluate_and_no_page_may_run_inline_scripts(editor):
    for response in (editor.get("/admin/"), Browser().get("/admin/login/")):
        policy = response["Content-Security-Policy"].split("; ")
        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "style-src 'self'" in policy
        assert "style-src-attr 'unsafe-inline'" in policy
        assert not re.search(
            r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", str(response.content)
        )
        assert "<style" not in response.content.decode()
    assert "unsafe" not in Browser().get("/brand/none.css")["Content-Security-Policy"]


def test_the_operators_ui_is_english_whatever_the_browser_asks_for(editor):
    response = editor.get(page(Client, "add"), headers={"accept-language": "nl"})
    assert response["Content-Language"] == "en"
    assert "Save and continue editing" in response.content.decode()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("client/?grant_type=%00", 400),
        ("client/?client_type__exact=%00", 400),
        ("client/?q=%00", 400),
        ("client/?grant_type=none", 200),
        ("client/?brand__id__exact=x", 200),
        ("client/?p=-5", 200),
        ("client/?p=x", 200),
        ("client/add/?flags=x&scopes=x&grant_types=x", 200),
        ("client/%00/change/", 302),
        ("client/99999999999999999999/change/", 302),
        ("client/99999999999999999999/secrets/1/end/", 404),
    ],
)
def test_no_address_breaks_the_operators_ui(editor, path, status):
    assert editor.get(f"/admin/clients_admin/{path}").status_code == status


def test_a_form_with_missing_parts_breaks_nothing(editor, shop):
    for model in (Client, Scope, ScopeGroup, Brand, LoginService, TrustedIssuer, LocalAccount):
        newest = model.objects.order_by("pk").last()  # Not the editor's own account.
        for address in (page(model, "add"), page(model, "change", newest.pk)):
            assert editor.post(address, {"name": "a\0b"}).status_code in {200, 302}
    shop.refresh_from_db()
    assert shop.flags == {"access_token_seconds": 5400, "team": "checkout"}


def test_every_file_of_a_page_comes_from_this_server(editor):
    html = editor.get(page(Client, "add")).content.decode()
    files = re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="([^"]+)"', html)
    assert "/static/clients_admin/operators.css" in files
    assert not [file for file in files if not file.startswith(("/static/", "/admin/jsi18n/"))]


def test_passwords_are_not_changed_here_and_objects_have_no_public_page(editor, shop):
    assert editor.get("/admin/password_change/").status_code == 404
    assert editor.get(f"/admin/r/1/{shop.pk}/").status_code == 404


def make_rows(model, numbers):
    """Rows of the model, each with a brand and a login service of its own beside it."""
    for number in numbers:
        name = f"row-{model.__name__.lower()}-{number}"
        brand = Brand.objects.create(slug=name, name=name)
        service = LoginService.objects.create(name=name, brand=brand)
        match model.__name__:
            case "Client":
                Client.objects.create(client_id=name, brand=brand, grant_types=["refresh_token"])
            case "Scope" | "ScopeGroup":
                model.objects.create(name=name)
            case "TrustedIssuer":
                TrustedIssuer.objects.create(name=name, issuer=name, login_service=service)
            case "LocalAccount":
                LocalAccount.objects.create(login_service=service, username=name)
            case "User":
                User.objects.create(login_service=service, external_id=name, username=name)
            case "SigningKey":
                SigningKey.objects.create(
                    kid=name,
                    algorithm="ES256",
                    state="retired",
                    public_jwk={},
                    private_encrypted=b"",
                    retired_at=timezone.now(),
                )


@pytest.mark.parametrize("model", EVERY_MODEL)
def test_a_list_costs_the_same_queries_however_long_it_is(editor, model):
    make_rows(model, range(3))
    editor.get(page(model))  # What is cached for good is read now.
    with CaptureQueriesContext(connection) as three:
        editor.get(page(model))
    make_rows(model, range(3, 30))
    with CaptureQueriesContext(connection) as thirty:
        html = editor.get(page(model)).content.decode()
    assert len(thirty) == len(three)
    assert html.count("<tr") > 30


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=shop", ["shop-web"]),
        ("q=nothing", []),
        ("grant_type=client_credentials", ["gateway"]),
        ("is_active__exact=0", ["gateway"]),
        ("brand__id__exact={brand}", ["shop-web"]),
    ],
)
def test_clients_are_searched_and_filtered(editor, shop, query, found):
    Client.objects.create(
        client_id="gateway",
        client_type="confidential",
        grant_types=["client_credentials"],
        is_active=False,
    )
    query = query.format(brand=shop.brand.pk)
    rows = editor.get(f"{page(Client)}?{query}").context["cl"].result_list
    assert [client.client_id for client in rows] == found


def test_durations_are_said_in_words():
    assert in_words(0) == "0 seconds"
    assert in_words(1) == "1 second"
    assert in_words(5400) == "1 hour 30 minutes"
    assert in_words(90 * 86400) == "90 days"
    assert in_words(86400 + 3661) == "1 day 1 hour 1 minute 1 second"
