"""The settings of login services: in configuration files, in the admin, and never a secret."""

import io
from collections.abc import Callable
from typing import Any, get_args

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import reverse
from ruamel.yaml import YAML

from clients_admin.admin import setting_fields
from clients_admin.roles import EDITORS, VIEWERS
from idp.accounts import circuit, rest, service_settings
from idp.accounts.foreign_passwords import Scheme
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Unavailable
from idp.environment import PROJECT
from tests.test_admin import operator

pytestmark = pytest.mark.django_db

FILE = """
login_services:
  - name: crm
    kind: rest
    settings: {url: "https://crm.example/login/", token_file: /run/secrets/crm, timeout_seconds: 3}
  - name: directory
    kind: ldap
    settings:
      host: ldap.example
      base_dn: dc=example
      bind_dn: cn=idp,dc=example
      password_variable: DIRECTORY_PASSWORD
      claims: {email: mail}
      groups: {ops: "cn=ops,dc=example"}
      editor_groups: [ops]
  - name: shop
    kind: sql
    settings:
      engine: mysql
      host: db.example
      database: shop
      user: reader
      query: |
        SELECT id AS external_id, login AS username, pw AS password_hash
        FROM users WHERE login = %(username)s
      password_schemes: [bcrypt, md5]
"""


@pytest.fixture
def config(tmp_path) -> Callable[..., str]:
    def run(action: str, text: str | None = None) -> str:
        output, arguments = io.StringIO(), []
        if text is not None:
            file = tmp_path / "configuration.yaml"
            file.write_text(text)
            arguments = [str(file)]
        call_command("config", action, *arguments, stdout=output)
        return output.getvalue()

    return run


def test_settings_are_applied_once_compared_one_by_one_and_exported(config):
    assert config("apply", FILE).startswith("+ login service crm\n+ login service directory\n")
    assert config("apply", FILE) == "Nothing to change.\n"
    stored = LoginService.objects.get(name="crm").settings
    assert stored == {"url": "https://crm.example/login", "token_file": "/run/secrets/crm"}
    exported = config("export")
    assert config("apply", exported) == "Nothing to change.\n"
    changed = FILE.replace("ldap.example", "ldap2.example").replace("bcrypt, md5", "bcrypt")
    assert config("apply", changed) == (
        '~ login service directory: settings.host: "ldap.example" -> "ldap2.example"\n'
        "~ login service shop: settings.password_schemes: "
        '["bcrypt", "md5"] -> ["bcrypt"]\n'
        "2 changes applied.\n"
    )


def test_a_query_is_exported_as_it_was_written(config):
    config("apply", FILE)
    before = LoginService.objects.get(name="shop").settings["query"]
    exported = config("export")
    LoginService.objects.all().delete()
    config("apply", exported)
    assert LoginService.objects.get(name="shop").settings["query"] == before


def test_the_row_itself_refuses_settings_of_another_kind():
    wrong = LoginService(name="x", kind="rest", settings={"host": "ldap.example"})
    with pytest.raises(ValidationError) as refused:
        wrong.full_clean()
    messages = refused.value.message_dict["settings"]
    assert messages == ["url is missing", "host is no known key"]


def test_a_row_whose_settings_a_later_release_refuses_is_an_outage(service):
    at = service("rest", {"url": "http://127.0.0.1:1"})
    LoginService.objects.filter(pk=at.pk).update(settings={"address": "x"})
    at.refresh_from_db()
    outcome = rest.check(at, "jane", "secret")
    assert isinstance(outcome, Unavailable)
    assert "its settings are not valid" in outcome.reason
    circuit.forget()


# --- The admin ------------------------------------------------------------------------------------


SCHEMES = [f"'{scheme}'" for scheme in get_args(Scheme.__value__)]


@pytest.fixture
def superuser() -> Browser:
    return operator("root", is_superuser=True)


def add(browser: Browser, **fields: Any) -> Any:
    form = {"name": "new", "is_enabled": "on", "sql_tls": "on", **fields}
    return browser.post(reverse("admin:idp_loginservice_add"), form)


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


LDAP = {
    "kind": "ldap",
    "ldap_host": "ldap.example",
    "ldap_security": "starttls",
    "ldap_base_dn": "dc=example",
    "ldap_user_filter": "(uid={username})",
    "ldap_id_attribute": "entryUUID",
    "ldap_username_attribute": "uid",
    "ldap_member_of_attribute": "memberOf",
    "ldap_claims": "email: mail\r\nname: displayName\r\n",
    "ldap_groups": "ops: cn=ops,dc=example",
    "ldap_editor_groups": "ops",
    "ldap_role_check_seconds": "30",
    "ldap_connect_timeout_seconds": "2",
    "ldap_receive_timeout_seconds": "3",
}


def test_every_setting_of_every_kind_is_a_field_of_the_new_page(superuser):
    page = superuser.get(reverse("admin:idp_loginservice_add")).content.decode()
    for kind in ("sql", "rest", "ldap"):
        for name in service_settings.BY_KIND[kind].model_fields:
            assert f'name="{setting_fields.field_name(kind, name)}"' in page
    assert "password" in page
    assert 'type="password"' not in page
    assert 'name="settings"' not in page


def test_a_login_service_is_made_and_changed_with_the_fields_of_its_kind(superuser):
    assert add(superuser, **LDAP).status_code == 302
    made = LoginService.objects.get(name="new")
    assert made.settings == {
        "host": "ldap.example",
        "security": "starttls",
        "base_dn": "dc=example",
        "user_filter": "(uid={username})",
        "claims": {"email": "mail", "name": "displayName"},
        "groups": {"ops": "cn=ops,dc=example"},
        "editor_groups": ["ops"],
        "role_check_seconds": 30,
    }
    address = reverse("admin:idp_loginservice_change", args=[made.pk])
    page = superuser.get(address)
    shown = page.content.decode()
    assert 'name="ldap_host"' in shown
    assert 'name="sql_host"' not in shown
    assert "email: mail\nname: displayName" in shown
    answer = superuser.post(address, {**LDAP, "is_enabled": "on", "ldap_host": "ldap2.example"})
    assert answer.status_code == 302
    made.refresh_from_db()
    assert made.settings["host"] == "ldap2.example"
    assert made.kind == "ldap"


def test_what_is_wrong_is_said_beside_its_field(superuser):
    answer = add(
        superuser,
        kind="sql",
        sql_engine="postgresql",
        sql_host="db.example",
        sql_port="99999",
        sql_password_file="secret",
        sql_query="SELECT * FROM users",
        sql_password_schemes="bcrypt\nrot13",
    )
    assert errors(answer) == {
        "sql_password_file": ["It must be an absolute path."],
        "sql_port": ["It must be at most 65535."],
        "sql_database": ["It is missing."],
        "sql_user": ["It is missing."],
        "sql_query": ["It must name its one parameter as %(username)s."],
        "sql_password_schemes": [f"It must be one of {', '.join(SCHEMES[:-1])} or 'md5'."],
    }
    answer = add(superuser, **{**LDAP, "ldap_editor_groups": "devs", "ldap_claims": "email"})
    assert errors(answer) == {"ldap_claims": ["Write one “name: value” a line."]}
    answer = add(superuser, **{**LDAP, "ldap_editor_groups": "devs"})
    assert errors(answer) == {"ldap_editor_groups": ["It names “devs”, which is not in groups."]}
    assert not LoginService.objects.filter(name="new").exists()


def test_a_switch_that_is_off_stays_off_and_a_local_service_needs_nothing(superuser):
    sql = {
        "kind": "sql",
        "sql_engine": "mysql",
        "sql_host": "db.example",
        "sql_database": "shop",
        "sql_user": "reader",
        "sql_query": "SELECT 1 FROM users WHERE login = %(username)s",
        "sql_password_schemes": "bcrypt",
    }
    form = {"name": "plain", "is_enabled": "on", **sql}
    assert superuser.post(reverse("admin:idp_loginservice_add"), form).status_code == 302
    assert LoginService.objects.get(name="plain").settings["tls"] is False
    assert add(superuser, kind="local").status_code == 302
    assert LoginService.objects.get(name="new").settings == {}


def test_viewers_see_the_settings_and_no_form(superuser):
    add(superuser, **LDAP)
    made = LoginService.objects.get(name="new")
    viewer = operator("vera", VIEWERS)
    page = viewer.get(reverse("admin:idp_loginservice_change", args=[made.pk])).content.decode()
    assert "Claims: email: mail, name: displayName" in page
    assert "Base DN: dc=example" in page
    assert 'name="ldap_host"' not in page


def test_editors_see_services_that_ask_others_and_neither_make_nor_change_them(superuser):
    """They could have a secret that they may not see sent to a host of their own."""
    add(superuser, **LDAP)
    made = LoginService.objects.get(name="new")
    editor = operator("eddy", EDITORS)
    address = reverse("admin:idp_loginservice_change", args=[made.pk])
    assert "Base DN: dc=example" in editor.get(address).content.decode()
    assert editor.post(address, {**LDAP, "ldap_host": "mine.example"}).status_code == 403
    page = editor.get(reverse("admin:idp_loginservice_add")).content.decode()
    assert 'name="ldap_host"' not in page
    refused = add(editor, **{**LDAP, "name": "mine"})
    assert list(errors(refused)) == ["kind"]
    assert add(editor, name="plain", kind="local").status_code == 302


def test_the_page_of_the_documentation_has_every_setting():
    page = (PROJECT / "docs" / "login-services.md").read_text()
    for kind in ("sql", "rest", "ldap"):
        for name in service_settings.BY_KIND[kind].model_fields:
            assert f"`{name}`" in page, (kind, name)


def test_the_examples_of_the_documentation_are_valid():
    page = (PROJECT / "docs" / "login-services.md").read_text()
    blocks = [part.partition("```")[0] for part in page.split("```yaml\n")[1:]]
    examples = [YAML(typ="safe").load(text) for text in blocks]
    services = [example["login_services"][0] for example in examples if "login_services" in example]
    assert [service["kind"] for service in services] == ["sql", "rest", "ldap"]
    (active_directory,) = (example for example in examples if "login_services" not in example)
    services.append({"kind": "ldap", "settings": services[2]["settings"] | active_directory})
    for service in services:
        assert service_settings.problems(service["kind"], service["settings"]) == []
