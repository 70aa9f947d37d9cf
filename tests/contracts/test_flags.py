"""Every client flag is wherever flags are: set in the admin and in files, documented, read."""

import ast
import html
import io
import json
import re
from functools import cache
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from clients_admin import flags_document
from clients_admin.flags import FLAGS, LOGIN_SERVICE, Flag, Kind
from clients_admin.models import Client
from clients_admin.roles import EDITORS, VIEWERS
from tests.configuration import batch, login_service, scopes
from tests.contracts.writers import PACKAGES, ROOT
from tests.test_admin import operator
from tokens.api.openapi import document

each_flag = pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)


def another_value(flag: Flag) -> Any:
    """One that may be set and is not the default."""
    match flag.kind:
        case Kind.SECONDS | Kind.COUNT:
            return flag.minimum if flag.minimum != flag.default else flag.maximum
        case Kind.CHOICE:
            return next(choice for choice in flag.choices if choice != flag.default)
        case Kind.TEXT:
            return "x" * flag.minimum
        case Kind.WEB_ADDRESS:
            return "https://shop.example/page"
        case Kind.SWITCH:
            return not flag.default
        case Kind.NAMES:
            return ["web" if flag.names_of == LOGIN_SERVICE else "orders.read"]


@pytest.fixture
def named(db: None) -> None:
    """What flags name has to exist."""
    login_service("web")
    scopes("orders.read")


@each_flag
def test_it_is_set_in_the_admin(named, flag):
    browser, client = operator("eddy", EDITORS), batch()
    address = reverse("admin:clients_admin_client_change", args=[client.pk])
    page = html.unescape(browser.get(address).content.decode())
    assert f'name="flags-{flag.name}"' in page
    assert flag.help.split(".")[0][:40] in page
    value = another_value(flag)
    match value:
        case bool():
            text = "yes" if value else "no"
        case list():
            text = " ".join(value)
        case _:
            text = str(value)
    form = {
        "name": "Batch",
        "client_type": "confidential",
        "is_active": "on",
        "grant_types": client.grant_types,
        "scopes": [s.pk for s in client.scopes.all()],
        "clientloginservice_set-TOTAL_FORMS": 0,
        "clientloginservice_set-INITIAL_FORMS": 0,
        "flags-other-name": [""],
        "flags-other-value": [""],
        f"flags-{flag.name}": text,
        **{name: found for name in HIDDEN if (found := hidden(page, name))},
    }
    answer = browser.post(address, form)
    assert answer.status_code == 302, re.findall(r'role="alert".*?<', answer.content.decode())
    client.refresh_from_db()
    assert client.flags == {flag.name: value}


HIDDEN = ("version",)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    return found[1] if found else ""


@each_flag
def test_a_file_sets_it_and_an_export_says_it(named, flag, tmp_path):
    file, value = tmp_path / "flags.yaml", another_value(flag)
    entry = {"client_id": "shop", "client_type": "public", "flags": {flag.name: value}}
    file.write_text(json.dumps({"clients": [entry]}))
    quiet = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    call_command("config", "apply", str(file), **quiet)
    assert Client.objects.get(client_id="shop").flags == {flag.name: value}
    exported = io.StringIO()
    call_command("config", "export", stdout=exported)
    assert f"{flag.name}:" in exported.getvalue()


@each_flag
def test_it_is_documented(flag):
    page = flags_document.PAGE.read_text()
    section = re.search(rf"^## {flag.name}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)[1]
    assert flag.help in section
    assert flags_document.values(flag) in section
    assert flags_document.default(flag) in section


def test_the_page_of_flags_is_current():
    assert flags_document.PAGE.read_text() == flags_document.page(), "run `make docs`"


@each_flag
def test_the_api_has_it_in_its_schema(flag):
    for name in ("Client", "NewClient", "ClientBody"):
        flags = schemas()[name]["properties"]["flags"]["properties"]
        assert flags[flag.name]["description"].startswith(flag.help)


@cache
def schemas() -> Any:
    return document("https://id.example")["components"]["schemas"]


@each_flag
def test_explain_says_what_it_means(named, flag):
    client = batch(flags={flag.name: another_value(flag)})
    address = reverse("admin:clients_admin_client_explain", args=[client.pk])
    page = html.unescape(operator("vera", VIEWERS).get(address).content.decode())
    row = re.search(rf"<tr[^>]*>\s*<th[^>]*>\s*<code>{flag.name}</code>.*?</tr>", page, re.DOTALL)[
        0
    ]
    assert "set here" in row


@each_flag
def test_the_code_reads_it(flag):
    assert flag.name in READ, "nobody reads it: it does nothing"


def attributes_read() -> set[str]:
    """Names of attributes that are read, outside the registry itself."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    trees = [
        ast.parse(file.read_text())
        for file in files
        if "migrations" not in file.parts and file.name not in {"flags.py", "flags_document.py"}
    ]
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


READ = attributes_read()
