"""Templates of one brand: seen by its pages alone, with all that ours get, checked at the start."""

from pathlib import Path

import pytest
from django.test import Client as Browser

from branding import hosts, mail, overrides
from branding.models import Brand

pytestmark = pytest.mark.django_db
FRAME = """{% extends "branding/base.html" %}
{% block header %}
  <p>Only here: {{ brand.name }}, {{ language }}</p>
  {{ block.super }}
{% endblock %}"""
CODE_PAGE = """{% extends "branding/device_code.html" %}
{% block content %}<p>Today {{ title }}</p>{{ block.super }}{% endblock %}"""


@pytest.fixture
def folder(settings, tmp_path):
    settings.BRAND_TEMPLATES = tmp_path
    settings.ALLOWED_HOSTS = ["acme.example", "globex.example"]
    settings.BRAND_HOSTS = frozenset(settings.ALLOWED_HOSTS)
    for slug in ("acme", "globex"):
        Brand.objects.create(slug=slug, name=slug.title(), hosts=[f"{slug}.example"])
    overrides.forget()
    yield tmp_path
    overrides.forget()
    hosts.forget()


def write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    overrides.forget()


def page(slug: str, address: str = "/oauth2/device") -> str:
    return Browser().get(address, headers={"Host": f"{slug}.example"}).content.decode()


def test_a_brand_has_a_frame_of_its_own_on_all_of_its_pages_and_no_other_has_it(folder):
    write(folder, "acme/base.html", FRAME)
    for address in ("/oauth2/device", "/nowhere"):
        assert "Only here: Acme, en" in page("acme", address)
        assert "Only here" not in page("globex", address)
    assert 'class="brand-name">Acme' in page("acme")


def test_a_page_extends_its_namesake_and_has_all_that_it_needs(folder):
    write(folder, "acme/device_code.html", CODE_PAGE)
    html = page("acme")
    assert "Today Connect a device" in html
    assert 'name="csrfmiddlewaretoken"' in html
    assert 'name="user_code"' in html
    assert "Today" not in page("acme", "/nowhere")
    assert list(overrides.check()) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("acme/sign-in.html", "", "replaces nothing"),
        ("acme/../globex/x.html", "", "replaces nothing"),
        ("acme/logo.png", "", "replaces nothing"),
        ("acme/sign_in.html", "{% if %}", "is no template: TemplateSyntaxError"),
        ("acme/sign_in.html", "{% load nothing %}", "is no template: TemplateSyntaxError"),
    ],
)
def test_the_start_refuses_what_would_fail_later(folder, name, text, said):
    (folder / "acme").mkdir()
    write(folder, name, text)
    (error,) = overrides.check()
    assert said in error.msg
    assert str(folder) in error.msg
    with pytest.raises(SystemExit) as ended:
        overrides.refuse_broken()
    assert ended.value.code == error.msg


def test_the_start_refuses_a_folder_that_is_missing(folder, settings):
    settings.BRAND_TEMPLATES = folder / "nowhere"
    overrides.forget()
    (error,) = overrides.check()
    assert error.msg == f"IDP_BRAND_TEMPLATES: there is no folder {folder / 'nowhere'}."


def test_a_mail_has_one_too(folder, mailoutbox):
    write(folder, "acme/mail/password_changed.txt", "{{ brand.name }} to {{ user_name }}")
    for brand in Brand.objects.order_by("slug"):
        mail.send(
            *("jane@acme.example", brand, "en", "branding/mail/password_changed"),
            subject="Changed",
            user_name="jane",
        )
    assert [message.body == "Acme to jane" for message in mailoutbox] == [True, False]
    assert list(overrides.check()) == []


def test_nothing_outside_of_the_pages_is_replaced(folder):
    write(folder, "acme/admin/login.html", "mine")
    assert overrides._engine("acme").get_template("admin/login.html").template.source != "mine"
