"""Configuration files: apply, diff, export and their errors; and the first operator."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm
from ruamel.yaml import YAML

from branding.models import Brand
from clients_admin import secrets
from clients_admin.configuration import sections, values
from clients_admin.configuration.document import ConfigurationError, Problems, read
from clients_admin.configuration.export import as_yaml, export
from clients_admin.models import Client, Scope, ScopeGroup
from idp.accounts.models import LocalAccount, LoginService, TrustedIssuer, User
from idp.environment import PROJECT, environment
from tests.servers import live_database_url, manage

DEMO = PROJECT / "docs" / "demo.yaml"
NOTHING = "Nothing to change.\n"

# One of each, for tests that change a detail of it.
SMALL = """\
brands:
  - {slug: acme, name: Acme}
scopes: {openid: Know who you are, orders.read: See your orders}
scope_groups: {shop: [orders.read]}
login_services:
  - {name: acme-web, kind: local, brand: acme}
users:
  - {login_service: acme-web, username: jane, password: jane-secret, claims: {name: Jane}}
clients:
  - client_id: web
    client_secret: web-secret
    grant_types: [authorization_code]
    redirect_uris: ["https://web.example/callback"]
    scopes: [openid]
    scope_groups: [shop]
    brand: acme
    login_services: [acme-web]
    flags: {consent: never}
"""


@pytest.fixture
def configure(tmp_path, db):
    """Runs `config ACTION` on a text; answers standard output."""

    def run(action: str, text: str, *options: str) -> str:
        file = tmp_path / "test.yaml"
        file.write_text(text)
        return config(action, str(file), *options)

    return run


@pytest.fixture
def refused(tmp_path, configure):
    """Applies a text that is wrong; answers the lines that say so, once nothing has changed."""

    def run(text: str | bytes) -> list[str]:
        file = tmp_path / "wrong.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        before = snapshot()
        with pytest.raises(CommandError) as error:
            config("apply", str(file))
        assert error.value.returncode == 1
        assert snapshot() == before
        head, *lines = str(error.value).split("\n")
        assert head == f"{file} cannot be applied, nothing is changed:"
        assert all(line.startswith(str(file)) for line in lines)
        return [line.replace(str(file), "F", 1) for line in lines]

    return run


def config(*arguments: str) -> str:
    output = io.StringIO()
    call_command("config", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def snapshot() -> dict[str, list[str]]:
    """Every row of every table."""
    with connection.cursor() as cursor:
        rows = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t ORDER BY 1')
            rows[table] = [row for (row,) in cursor.fetchall()]
    return rows


def empty_the_database() -> None:
    for model in (
        *(Client, ScopeGroup, Scope, User, LocalAccount, TrustedIssuer, LoginService, Brand),
    ):
        model.objects.all().delete()


# --- Apply and diff ----------------------------------------------------------------------------


def test_apply_tells_what_it_adds(configure):
    assert configure("apply", SMALL) == (
        "+ brand acme\n"
        "+ scope openid\n"
        "+ scope orders.read\n"
        "+ scope group shop\n"
        "+ login service acme-web\n"
        "+ user acme-web/jane\n"
        "+ client web\n"
        "7 changes applied.\n"
    )


def test_a_second_apply_writes_nothing(configure):
    configure("apply", SMALL)
    before = snapshot()
    assert configure("apply", SMALL) == NOTHING
    assert snapshot() == before


def test_diff_tells_the_same_and_changes_nothing(configure, capsys):
    before = snapshot()
    for arguments in (("diff", SMALL), ("apply", SMALL, "--dry-run")):
        with pytest.raises(SystemExit) as end:
            configure(*arguments)
        assert end.value.code == 2
        assert snapshot() == before
    configure("apply", SMALL)
    assert configure("diff", SMALL) == NOTHING
    assert configure("apply", SMALL, "--dry-run") == NOTHING


def test_what_differs_is_told_key_by_key(configure):
    configure("apply", SMALL)
    changed = (
        SMALL.replace("name: Acme}", 'name: "Acme Ltd", privacy_url: "https://acme.example/"}')
        .replace("shop: [orders.read]", "shop: [orders.read, openid]")
        .replace("See your orders", "See orders")
        .replace("[acme-web]", "[second, acme-web]")
        .replace("consent: never", "jwt_seconds: 60")
        .replace("https://web.example/callback", "https://web.example/back")
        .replace("claims: {name: Jane}", "claims: {name: Janet}, active: false")
        .replace("users:", "  - {name: second, kind: local, enabled: false}\nusers:")
        .replace("jane-secret", "another-secret")
        .replace("web-secret", "another-secret")
    )
    lines = (
        '~ brand acme: name: "Acme" -> "Acme Ltd"\n'
        '~ brand acme: privacy_url: "" -> "https://acme.example/"\n'
        '~ scope orders.read: description: "See your orders" -> "See orders"\n'
        '~ scope group shop: members: ["orders.read"] -> ["openid", "orders.read"]\n'
        "+ login service second\n"
        "~ user acme-web/jane: claims changed\n"
        "~ user acme-web/jane: active: true -> false\n"
        "~ user acme-web/jane: password changed\n"
        '~ client web: redirect_uris: ["https://web.example/callback"]'
        ' -> ["https://web.example/back"]\n'
        '~ client web: login_services: ["acme-web"] -> ["second", "acme-web"]\n'
        '~ client web: flags.consent: "never" -> unset\n'
        "~ client web: flags.jwt_seconds: unset -> 60\n"
        "~ client web: secret changed\n"
    )
    assert configure("apply", changed) == f"{lines}13 changes applied.\n"
    assert configure("apply", changed) == NOTHING
    client = Client.objects.get(client_id="web")
    ordered = client.clientloginservice_set.values_list("login_service__name", flat=True)
    assert list(ordered) == ["second", "acme-web"]
    assert client.read().allowed_scopes == {"openid", "orders.read"}


def test_what_the_file_does_not_mention_stays(configure):
    configure("apply", SMALL)
    before = snapshot()
    assert configure("apply", "scopes: {extra: Another one}\n") == (
        "+ scope extra\n1 change applied.\n"
    )
    after = snapshot()
    assert {table for table in after if after[table] != before[table]} == {
        "clients_admin_scope",
        "idp_auditevent",
    }


def test_a_key_that_is_left_out_has_its_default(configure):
    configure("apply", SMALL)
    shorter = SMALL.replace("    flags: {consent: never}\n", "").replace("    brand: acme\n", "")
    assert configure("apply", shorter) == (
        '~ client web: brand: "acme" -> null\n'
        '~ client web: flags.consent: "never" -> unset\n'
        "2 changes applied.\n"
    )


def test_what_an_operator_switched_off_stays_off_until_the_file_says_otherwise(configure):
    configure("apply", SMALL)
    Client.objects.update(is_active=False)
    LoginService.objects.update(is_enabled=False)
    LocalAccount.objects.update(is_active=False)
    assert configure("apply", SMALL) == NOTHING
    assert configure("apply", f"{SMALL}    active: true\n") == (
        "~ client web: active: false -> true\n1 change applied.\n"
    )


def test_a_file_may_name_what_is_stored(configure):
    configure("apply", SMALL)
    client = "clients: [{client_id: other, scopes: [openid], brand: acme, client_type: public}]\n"
    assert configure("apply", client) == "+ client other\n1 change applied.\n"


def test_a_group_may_name_one_that_comes_later(configure):
    configure("apply", "scopes: {a: '', b: ''}\nscope_groups: {all: [some, a], some: [b]}\n")
    all_groups = ScopeGroup.objects.get(name="all")
    assert [group.name for group in all_groups.groups.all()] == ["some"]
    assert [scope.name for scope in all_groups.scopes.all()] == ["a"]


def test_a_short_name_of_a_grant_type_is_its_urn(configure):
    text = "clients: [{client_id: gateway, grant_types: [%s]}]\n"
    configure("apply", text % "token_exchange")
    urn = "urn:ietf:params:oauth:grant-type:token-exchange"
    assert Client.objects.get().grant_types == [urn]
    assert configure("apply", text % f'"{urn}"') == NOTHING


def test_yaml_aliases_and_merges_work(configure):
    configure(
        "apply",
        "clients:\n"
        "  - {client_id: one, client_type: public, flags: &flags {jwt_seconds: 60}}\n"
        "  - {client_id: two, client_type: public, flags: {<<: *flags, consent: never}}\n",
    )
    flags = dict(Client.objects.values_list("client_id", "flags"))
    assert flags == {"one": {"jwt_seconds": 60}, "two": {"jwt_seconds": 60, "consent": "never"}}


# --- Secrets and passwords ----------------------------------------------------------------------


def test_nothing_secret_is_printed_or_exported(configure, monkeypatch):
    monkeypatch.setenv("NEW_SECRET", "from-the-environment")
    output = configure("apply", SMALL)
    changed = SMALL.replace("web-secret", "env:NEW_SECRET").replace("jane-secret", "new-password")
    output += configure("apply", changed)
    account, known = LocalAccount.objects.get(), secrets.live(Client.objects.get())[0]
    output += export(users=True)
    for secret in (
        *("web-secret", "jane-secret", "from-the-environment", "new-password"),
        *(account.password, bytes(known.digest).hex(), str(account.external_id)),
    ):
        assert secret not in output


def test_a_secret_by_reference_is_read_from_the_environment(configure, monkeypatch):
    monkeypatch.setenv("WEB_SECRET", "from-the-environment")
    configure("apply", SMALL.replace("web-secret", "env:WEB_SECRET"))
    client = Client.objects.get()
    assert secrets.verify(client, "from-the-environment")
    assert not secrets.verify(client, "env:WEB_SECRET")


def test_the_secrets_of_the_file_replace_all_others(configure):
    def live(*candidates: str) -> list[str]:
        client = Client.objects.get()
        return [secret for secret in candidates if secrets.verify(client, secret)]

    two = SMALL.replace("client_secret: web-secret", "client_secrets: [new, web-secret]")
    new = SMALL.replace("web-secret", "new")
    changed = "~ client web: secret changed\n1 change applied.\n"
    configure("apply", SMALL)
    first = Client.objects.get().secrets.get().pk
    assert configure("apply", two) == changed
    assert live("web-secret", "new") == ["web-secret", "new"]
    assert Client.objects.get().secrets.filter(pk=first).exists()
    assert configure("apply", two) == NOTHING
    assert configure("apply", new) == changed
    assert live("web-secret", "new") == ["new"]


def test_secrets_that_the_file_does_not_give_are_left_alone(configure):
    configure("apply", SMALL)
    without = SMALL.replace("    client_secret: web-secret\n", "")
    assert configure("apply", without) == NOTHING
    assert secrets.verify(Client.objects.get(), "web-secret")


def test_a_new_confidential_client_without_a_secret_is_warned_about(configure):
    assert configure("apply", "clients: [{client_id: web}]\n") == (
        "+ client web\nwarning: client web has no secret: the file gives none\n1 change applied.\n"
    )


def test_a_password_is_hashed_again_only_when_it_is_another_one(configure):
    configure("apply", SMALL)
    first = LocalAccount.objects.get().password
    configure("apply", SMALL.replace("name: Jane", "name: Janet"))
    assert LocalAccount.objects.get().password == first
    configure("apply", SMALL.replace("jane-secret", "another"))
    second = LocalAccount.objects.get().password
    assert second.startswith("argon2$")
    assert (check_password("another", second), check_password("jane-secret", second)) == (
        True,
        False,
    )


def test_a_new_password_ends_the_browser_sessions_of_the_user(configure):
    configure("apply", SMALL)
    account = LocalAccount.objects.get()
    user = User.objects.create(
        login_service=account.login_service, external_id=str(account.external_id), username="jane"
    )
    configure("apply", SMALL.replace("name: Jane", "name: Janet"))
    assert User.objects.get().sessions_salt == user.sessions_salt
    configure("apply", SMALL.replace("jane-secret", "another"))
    assert User.objects.get().sessions_salt != user.sessions_salt


def test_a_user_name_is_the_same_in_upper_and_lower_case(configure):
    configure("apply", SMALL)
    assert configure("apply", SMALL.replace("username: jane", "username: Jane")) == (
        '~ user acme-web/Jane: username: "jane" -> "Jane"\n1 change applied.\n'
    )


def test_outside_development_no_secret_may_stand_in_the_file(refused, monkeypatch):
    production = environment().model_copy(update={"environment": "production"})
    monkeypatch.setattr(values, "environment", lambda: production)
    inline = (
        "holds a secret itself, which is for demo files in development only: "
        "write env:NAME and set that variable"
    )
    assert refused(SMALL) == [
        f"F:8: users[0].password: {inline}",
        f"F:11: clients[0].client_secret: {inline}",
    ]


# --- Errors --------------------------------------------------------------------------------------


def refused_examples() -> dict[str, tuple[str, str]]:
    """`{name: (file, lines that say what is wrong)}`."""
    _, *examples = (PROJECT / "tests" / "configuration_errors.txt").read_text().split("\n=== ")
    return {
        name: tuple(parts.split("\n---\n", 1))
        for name, _, parts in (example.partition("\n") for example in examples)
    }


@pytest.mark.parametrize("name", refused_examples())
def test_an_error_is_told_with_its_line_and_nothing_is_changed(refused, name):
    text, lines = refused_examples()[name]
    assert refused(f"{text}\n") == lines.rstrip("\n").split("\n")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "F: holds nothing"),
        (b"scopes:\n  a: caf\xe9\n", "F:2: this is not UTF-8"),
        (b"scopes:\n  a: \x07\n", "F:2: this is no YAML: it holds a control character"),
        (b"[" * 5000, "F: is nested too deeply"),
        (b"scopes: " + b"9" * 5000, "F:1: scopes: is no number that can be kept"),
    ],
    ids=["empty", "latin-1", "control character", "bottomless", "endless number"],
)
def test_what_cannot_be_read_is_one_line(refused, content, line):
    assert refused(content) == [line]


def test_a_file_that_is_wrong_late_changes_nothing_of_what_stood_before(configure, refused):
    configure("apply", SMALL)
    wrong = SMALL.replace("name: Acme}", "name: Changed}") + "    colour: red\n"
    assert refused(wrong) == ["F:19: clients[0].colour: is no known key"]


def test_a_cycle_through_stored_groups_is_refused(configure, refused):
    configure("apply", "scope_groups: {a: [b], b: [c], c: []}\n")
    assert refused("scope_groups: {c: [a]}\n") == [
        "F:1: scope_groups.c: contains itself: c → a → b → c"
    ]


def test_a_missing_file_and_a_folder_are_one_line(db, tmp_path):
    for file, reason in ((tmp_path / "no.yaml", "No such file or directory"),
                         (tmp_path, "Is a directory")):  # fmt: skip
        with pytest.raises(CommandError) as error:
            config("diff", str(file))
        assert str(error.value) == (
            f"{file} cannot be applied, nothing is changed:\n{file}: cannot be read: {reason}"
        )


def test_an_export_that_cannot_be_written_is_one_line(db, tmp_path):
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        config("export", str(tmp_path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        *sections.SECTIONS,
        *(key.name for key in (*sections.CLIENT, *sections.BRAND, *sections.TRUSTED_ISSUER)),
    ]
)
ODD_VALUE = JSON | st.lists(KEYS)
ODD_TREE = st.dictionaries(KEYS, st.lists(st.dictionaries(KEYS, ODD_VALUE, max_size=6)) | ODD_VALUE)


@settings(max_examples=60, deadline=None)
@given(ODD_TREE)
def test_no_tree_however_odd_breaks_the_reader(tmp_path_factory, tree):
    file = tmp_path_factory.getbasetemp() / "odd.yaml"
    with file.open("w", encoding="utf-8", errors="surrogatepass") as stream:
        YAML(typ="safe", pure=True).dump(tree, stream)
    assert all(line.startswith(f"{file}:") for line in problems_of(file))


def problems_of(file: Path) -> list[str]:
    problems = Problems(file)
    try:
        sections.read(read(file, problems), problems)
        problems.raise_any()
    except ConfigurationError as error:
        return str(error).split("\n")
    return []


# --- Export ---------------------------------------------------------------------------------------


def test_an_export_of_the_demo_makes_an_empty_database_the_same(configure):
    config("apply", str(DEMO))
    exported = config("export", "--users")
    empty_the_database()
    configure("apply", exported)
    assert configure("diff", exported) == NOTHING
    assert config("export", "--users") == exported


def test_the_demo_finds_only_its_secrets_missing_after_its_own_export(configure, capsys):
    config("apply", str(DEMO))
    exported = config("export", "--users")
    empty_the_database()
    configure("apply", exported)
    output = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("config", "diff", str(DEMO), stdout=output)
    assert output.getvalue() == (
        "~ user acme-web/jane: password changed\n"
        "~ user acme-web/john: password changed\n"
        "~ user globex-web/jane: password changed\n"
        "~ user globex-web/john: password changed\n"
        "~ client demo-batch: secret changed\n"
        "~ client demo-gateway: secret changed\n"
        "~ client demo-operations: secret changed\n"
        "~ client demo-configuration: secret changed\n"
        "~ client globex-shop: secret changed\n"
        "~ client acme-own: secret changed\n"
        "~ client acme-terminal: secret changed\n"
        "~ client acme-intranet: secret changed\n"
        "~ client acme-backoffice: secret changed\n"
        "13 changes to apply.\n"
    )


def test_an_export_is_in_a_fixed_order_and_without_what_is_empty(configure, tmp_path):
    configure("apply", f"{SMALL}    active: false\n")
    config("export", str(tmp_path / "exported.yaml"))
    expected = """\
# Secrets and passwords are left out; apply leaves those that are stored as they are.
brands:
  - slug: acme
    name: Acme
    primary_color: '#334155'
    scheme: automatic
    corner_radius: 12
    font: system
    languages:
      - en
    approvals_needed: 0
scopes:
  openid: Know who you are
  orders.read: See your orders
scope_groups:
  shop:
    - orders.read
login_services:
  - name: acme-web
    kind: local
    brand: acme
trusted_issuers: []
clients:
  - client_id: web
    client_type: confidential
    grant_types:
      - authorization_code
    redirect_uris:
      - https://web.example/callback
    scopes:
      - openid
    scope_groups:
      - shop
    brand: acme
    login_services:
      - acme-web
    flags:
      consent: never
    active: false
"""
    assert (tmp_path / "exported.yaml").read_text() == expected
    assert config("export") == expected
    users = """\
users:
  - login_service: acme-web
    username: jane
    claims:
      name: Jane
"""
    assert config("export", "--users") == expected.replace("clients:", f"{users}clients:")


TRUSTED = """\
login_services: [{name: corporate, kind: corporate}]
trusted_issuers:
  - name: corporate
    issuer: https://sso.example
    audience: https://id.example
    login_service: corporate
    claims: {email: mail, name: "https://sso.example/displayName"}
    public_keys:
      - |
        %s
scopes: {orders.read: See your orders}
clients:
  - client_id: batch
    client_secret: batch-secret
    grant_types: [token_exchange]
    scopes: [orders.read]
    jwks: {keys: [{kty: EC, crv: P-256, kid: one, x: "%s", y: "%s"}]}
    flags:
      allow_password_grant: false
      on_behalf_of_login_services: [corporate]
      on_behalf_of_scopes: [orders.read]
"""


@pytest.fixture(scope="module")
def trusted() -> str:
    """A file with a trusted issuer, and a client that has keys and flags of every kind."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode().strip()
    jwk = ECAlgorithm.to_jwk(key, as_dict=True)
    return TRUSTED % (pem.replace("\n", "\n        "), jwk["x"], jwk["y"])


def test_a_trusted_issuer_and_the_keys_of_a_client_are_applied_once(configure, trusted):
    assert configure("apply", trusted) == (
        "+ scope orders.read\n"
        "+ login service corporate\n"
        "+ trusted issuer corporate\n"
        "+ client batch\n"
        "4 changes applied.\n"
    )
    issuer, client = TrustedIssuer.objects.get(), Client.objects.get()
    assert issuer.login_service.kind == LoginService.Kind.CORPORATE
    assert (issuer.algorithms, issuer.max_lifetime_seconds) == (["ES256", "RS256"], 300)
    assert issuer.claims == {"email": "mail", "name": "https://sso.example/displayName"}
    assert client.jwks["keys"][0]["kid"] == "one"
    assert client.effective_flags.on_behalf_of_scopes == ("orders.read",)
    assert configure("apply", trusted) == NOTHING


def test_an_export_of_a_trusted_issuer_reads_well_and_makes_the_same_elsewhere(configure, trusted):
    configure("apply", trusted)
    exported = export()
    assert "    public_keys:\n      - |-\n        -----BEGIN PUBLIC KEY-----\n" in exported
    empty_the_database()
    configure("apply", exported)
    assert configure("diff", exported) == NOTHING
    assert export() == exported


def test_what_differs_of_a_trusted_issuer_is_told_without_its_keys(configure, trusted):
    configure("apply", trusted)
    TrustedIssuer.objects.update(is_enabled=False)
    pem = re.search(r"    public_keys:.*-----END PUBLIC KEY-----\n", trusted, re.DOTALL)[0]
    changed = (
        trusted.replace(pem, "    jwks_url: https://sso.example/jwks\n    algorithms: [RS256]\n")
        .replace("email: mail", "email: email")
        .replace("kid: one", "kid: two")
        .replace("allow_password_grant: false", "allow_password_grant: true")
        .replace("scopes: [orders.read]\n", "scopes: []\n")
        .replace("    on_behalf_of_scopes: []", "    on_behalf_of_scopes: [orders.read]")
    )
    assert configure("apply", changed) == (
        '~ trusted issuer corporate: jwks_url: "" -> "https://sso.example/jwks"\n'
        "~ trusted issuer corporate: public_keys changed\n"
        '~ trusted issuer corporate: algorithms: ["ES256", "RS256"] -> ["RS256"]\n'
        "~ trusted issuer corporate: claims changed\n"
        '~ client batch: scopes: ["orders.read"] -> []\n'
        "~ client batch: jwks changed\n"
        "~ client batch: flags.allow_password_grant: false -> true\n"
        "7 changes applied.\n"
    )
    assert configure("apply", changed) == NOTHING
    assert not TrustedIssuer.objects.get().is_enabled


def test_an_issuer_that_another_one_has_in_the_database_is_refused(configure, refused, trusted):
    configure("apply", trusted)
    other = trusted.replace("- name: corporate\n", "- name: other\n")
    assert refused(other) == [
        "F:4: trusted_issuers[0].issuer: Trusted issuer with this Issuer already exists."
    ]


def test_a_login_service_stays_corporate_while_trusted_issuers_name_it(configure, refused, trusted):
    configure("apply", trusted)
    assert refused("login_services: [{name: corporate, kind: local}]\n") == [
        "F:1: login_services[0].kind: Trusted issuers name it, so it stays corporate."
    ]


def test_a_private_key_is_refused_and_never_said(configure, refused, trusted):
    private = ec.generate_private_key(ec.SECP256R1())
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        pem = private.private_bytes(Encoding.PEM, form, NoEncryption()).decode().strip()
        block = pem.replace("\n", "\n        ")
        head, _, rest = trusted.partition("- |\n        ")
        text = f"{head}- &same |\n        {block}\n      - *same\n      - |\n        {rest}"
        lines = refused(text)
        assert [line.partition(",")[0] for line in lines] == [
            "F:9: trusted_issuers[0].public_keys[0]: is a private key",
            "F:9: trusted_issuers[0].public_keys[1]: is a private key",
        ]
        assert not [part for part in pem.split("\n")[1:-1] if part in str(lines)]


STORABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
TREE = st.dictionaries(
    STORABLE,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | STORABLE
        | st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=120),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STORABLE, inner, max_size=3),
        max_leaves=6,
    ),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(TREE)
def test_whatever_can_be_stored_is_read_as_it_was_written(tmp_path_factory, tree):
    file = tmp_path_factory.getbasetemp() / "written.yaml"
    file.write_text(as_yaml(tree), encoding="utf-8", newline="")
    problems = Problems(file)
    assert read(file, problems).plain() == tree
    problems.raise_any()


def test_odd_names_and_texts_survive_an_export(configure):
    odd = "yes, \x85 \u2028\r\n: # [*&!|>'\"%@`] é \U0001f600\t\x1b"
    for name in ("<<", "null", "1", "~", "-", "#", "a:b", "'", "=", "0x1F", "orders.read"):
        Scope.objects.create(name=name, description=f"{name} {odd}")
    group = ScopeGroup.objects.create(name="true", description=odd)
    group.scopes.set(Scope.objects.all())
    Client.objects.create(
        client_id="null", client_type="public", name=odd, description=odd, flags={"<<": odd}
    )
    service = LoginService.objects.create(name="on")
    LocalAccount.objects.create(login_service=service, username=odd, claims={odd: [odd, None]})
    exported = export(users=True)
    assert configure("diff", exported) == NOTHING
    empty_the_database()
    configure("apply", exported)
    assert export(users=True) == exported


# --- The commands in processes of their own ----------------------------------------------------


@pytest.fixture
def fresh_database(request):
    """Makes an empty, migrated database; answers its URL."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    return lambda name: live_database_url(f"configuration_{name}_{worker}", configuration=None)


def command(url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "manage.py"), *arguments],
        env=os.environ | {"IDP_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_applies_at_once_wait_for_each_other(fresh_database):
    url = fresh_database("apply")
    runs = [command(url, "config", "apply", str(DEMO)) for _ in range(2)]
    outputs = sorted(run.communicate(timeout=300) for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert outputs[0][0].endswith("38 changes applied.\n")
    assert outputs[1] == (NOTHING, "")


def test_the_commands_carry_the_demo_into_an_empty_database(fresh_database, tmp_path):
    file = tmp_path / "exported.yaml"
    first = os.environ | {"IDP_DATABASE_URL": fresh_database("first")}
    other = os.environ | {"IDP_DATABASE_URL": fresh_database("other")}
    manage(first, "config", "apply", str(DEMO))
    manage(first, "config", "export", str(file))
    manage(other, "config", "apply", str(file))
    assert manage(other, "config", "diff", str(file)) == NOTHING
    different = command(other["IDP_DATABASE_URL"], "config", "diff", str(DEMO))
    different.communicate(timeout=300)
    assert different.returncode == 2


# --- What the pages say --------------------------------------------------------------------------


def test_the_page_names_every_key():
    page = (PROJECT / "docs" / "configuration.md").read_text()
    tables = (
        *(sections.BRAND, sections.LOGIN_SERVICE, sections.TRUSTED_ISSUER, sections.USER),
        *(sections.SCOPE_GROUP, sections.CLIENT),
    )
    assert [name for name in sections.SECTIONS if f"### {name}" not in page] == []
    assert [key.name for table in tables for key in table
            if f"`{key.name}`" not in page and f"{key.name}:" not in page] == []  # fmt: skip


# --- The first operator ---------------------------------------------------------------------------


@pytest.fixture
def ensure_operator(db, monkeypatch):
    def run(password: str, *options: str) -> str:
        output = io.StringIO()
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
        arguments = ("--username", "ada", "--password-stdin", *options)
        call_command("ensure_operator", *arguments, stdout=output, stderr=output)
        return output.getvalue()

    return run


def test_the_first_operator_is_made_with_the_login_service(ensure_operator):
    assert ensure_operator("first") == "ada (operators), superuser: is new.\n"
    account, user = LocalAccount.objects.get(), User.objects.get()
    assert (account.login_service.name, account.login_service.kind) == ("operators", "local")
    assert check_password("first", account.password)
    assert (user.login_service, user.external_id) == (
        account.login_service,
        str(account.external_id),
    )
    assert (user.is_active, user.is_staff, user.is_superuser) == (True, True, True)


def test_a_second_run_changes_nothing(ensure_operator):
    ensure_operator("first")
    before = snapshot()
    assert ensure_operator("first") == "ada (operators), superuser: is as it should be.\n"
    assert snapshot() == before


def test_a_new_password_of_an_operator_ends_the_old_sessions(ensure_operator):
    ensure_operator("first")
    salt = User.objects.get().sessions_salt
    assert ensure_operator("second") == "ada (operators), superuser: has a new password.\n"
    assert check_password("second", LocalAccount.objects.get().password)
    assert User.objects.get().sessions_salt != salt


def test_a_role_replaces_the_one_before(ensure_operator):
    for name in ("Editors", "Viewers", "Others"):
        Group.objects.get_or_create(name=name)
    ensure_operator("first")
    user = User.objects.get()
    user.groups.add(Group.objects.get(name="Others"))
    assert ensure_operator("first", "--role", "editor") == (
        "ada (operators), editor: is editor now.\n"
    )
    ensure_operator("first", "--role", "viewer")
    user.refresh_from_db()
    assert {group.name for group in user.groups.all()} == {"Others", "Viewers"}
    assert (user.is_staff, user.is_superuser) == (True, False)


def test_a_role_without_its_group_is_warned_about(ensure_operator):
    Group.objects.filter(name="Editors").delete()
    assert ensure_operator("first", "--role", "editor") == (
        "warning: there is no group Editors, so this role is empty\n"
        "ada (operators), editor: is new.\n"
    )


def test_an_operator_who_was_switched_off_is_back(ensure_operator):
    ensure_operator("first")
    LocalAccount.objects.update(is_active=False)
    User.objects.update(is_active=False, is_staff=False)
    ensure_operator("first")
    user = User.objects.get()
    assert (LocalAccount.objects.get().is_active, user.is_active, user.is_staff) == (
        True,
        True,
        True,
    )


@pytest.mark.parametrize("password", ["", "x" * 1025, "nul\0"])
def test_a_password_that_nobody_could_sign_in_with_is_refused(ensure_operator, password):
    with pytest.raises(CommandError, match="a password of 1 to 1024 characters"):
        ensure_operator(password)
    assert not LocalAccount.objects.exists()


def test_a_login_service_that_is_switched_off_is_said(ensure_operator):
    LoginService.objects.create(name="operators", is_enabled=False)
    with pytest.raises(CommandError, match="The login service operators is switched off"):
        ensure_operator("first")
