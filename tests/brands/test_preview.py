"""The live preview: every page, with the unsaved form, and nothing happens by it."""

import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from django.urls import reverse

from branding.languages import CODES
from branding.models import Brand, BrandFile
from branding.overrides import OURS
from branding.previews import PREVIEWS
from clients_admin.roles import EDITORS, VIEWERS
from idp.audit.models import AuditEvent
from tests.brands.pictures import SVG, png
from tests.test_admin import operator

FRAMES = {"base.html", "account/base.html"}
FORM = {
    "name": "Acme",
    "primary_color": "#0a7a4b",
    "scheme": "automatic",
    "corner_radius": "12",
    "font": "system",
    "languages": ["en", "nl"],
    "first_language": "en",
    "approvals_needed": "0",
}


def pages() -> set[str]:
    """The templates that are a whole page: those that come, by whatever way, from the frame."""
    files = {path.relative_to(OURS).as_posix(): path for path in OURS.rglob("*.html")}
    parents = {
        name: found.group(1)
        for name, path in files.items()
        if (found := re.search(r'{% extends "branding/(\S+)" %}', path.read_text()))
    }
    return {name for name, parent in parents.items() if not name.startswith("mail/")} - FRAMES


def test_every_page_of_users_has_a_preview():
    assert len(pages()) > 20
    assert {preview.template for preview in PREVIEWS} == pages()
    assert len({preview.slug for preview in PREVIEWS}) == len(PREVIEWS)


@pytest.fixture
def acme(db):
    return Brand.objects.create(slug="acme", name="Acme", languages=["en", "nl"])


@pytest.fixture
def editor(acme):
    return operator("eddy", EDITORS)


def address(brand: Brand | None = None) -> str:
    if brand is None:
        return reverse("admin:branding_brand_preview_new")
    return reverse("admin:branding_brand_preview", args=[brand.pk])


def test_each_page_is_shown_in_each_language_and_says_nothing_by_halves(editor, acme):
    for preview in PREVIEWS:
        for language in CODES:
            asked = {"preview_page": preview.slug, "preview_language": language}
            answer = editor.get(address(acme), asked)
            html = answer.content.decode()
            assert answer.status_code == 200
            assert f'<html lang="{language}">' in html
            assert "<body inert>" in html
            assert re.search(r"<h1>\s*\S", html), preview.slug
            assert "<script" not in html
            assert "http://" not in html


def test_it_shows_what_stands_in_the_form_and_keeps_nothing(editor, acme):
    before = list(Brand.objects.values()), AuditEvent.objects.count(), BrandFile.objects.count()
    session = dict(editor.session.items())
    form = {
        **FORM,
        "name": "Acme Nouveau",
        "primary_color": "#c2185b",
        "texts-nl-sign_in_title": "Welkom <b>terug</b>",
        "links-nl-privacy_url": "https://acme.example/nl",
        "logo": SimpleUploadedFile("logo.png", png()),
        "preview_page": "sign-in",
        "preview_language": "nl",
    }
    html = editor.post(address(acme), form).content.decode()
    assert "Acme Nouveau" in html
    assert "--primary:#c2185b" in html
    assert "Welkom &lt;b&gt;terug&lt;/b&gt;" in html
    assert 'href="https://acme.example/nl"' in html
    assert 'src="data:image/png;base64,' in html
    after = list(Brand.objects.values()), AuditEvent.objects.count(), BrandFile.objects.count()
    assert after == before
    assert dict(editor.session.items()) == session


def test_the_look_of_a_visitor_is_that_of_the_brand_where_it_has_one(editor, acme):
    for scheme, asked, dark in [
        *(("automatic", "dark", True), ("automatic", "light", False)),
        *(("light", "dark", False), ("dark", "light", True)),
    ]:
        form = {**FORM, "scheme": scheme, "preview_scheme": asked}
        assert ("dark.css" in editor.post(address(acme), form).content.decode()) is dark


def test_what_is_wrong_in_the_form_is_shown_as_it_is_stored(editor, acme):
    logo = SimpleUploadedFile("logo.svg", SVG.replace(b"<path", b"<script/><path"))
    form = {**FORM, "primary_color": "};evil", "name": "Nouveau", "logo": logo}
    html = editor.post(address(acme), form).content.decode()
    assert "evil" not in html
    assert "<img" not in html
    assert "Nouveau" in html
    assert editor.post(address(acme), {}).status_code == 200
    assert (
        editor.post(address(acme), {"preview_page": "\0", "preview_language": "xx"}).status_code
        == 200
    )


def test_only_our_own_page_may_frame_it_and_nothing_may_run_on_it(editor, acme):
    answer = editor.get(address(acme))
    policy = answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    for part in ("frame-ancestors 'self'", "script-src 'none'", "form-action 'none'"):
        assert part in policy
    assert "sandbox allow-same-origin" in policy
    assert "unsafe" not in policy
    assert "no-store" in answer["Cache-Control"]
    form = editor.get(reverse("admin:branding_brand_change", args=[acme.pk]))
    assert "frame-src 'self'" in form["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in form["Content-Security-Policy"]
    elsewhere = editor.get(reverse("admin:branding_brand_changelist"))
    assert "frame-src" not in elsewhere["Content-Security-Policy"]


def test_viewers_see_what_is_saved_and_others_nothing(acme):
    viewer = operator("vera", VIEWERS)
    assert viewer.get(address(acme)).status_code == 200
    assert viewer.post(address(acme), FORM).status_code == 403
    assert viewer.post(address(), FORM).status_code == 403
    assert Browser().get(address(acme)).status_code == 302
    assert Browser().post(address(acme), FORM).status_code == 302


def test_a_form_of_another_site_is_refused(acme):
    editor = operator("eddy", EDITORS)
    editor.handler.enforce_csrf_checks = True
    assert editor.post(address(acme), FORM).status_code == 403


def test_a_brand_that_is_not_there_yet_has_one_too(editor):
    form = {**FORM, "slug": "globex", "name": "Globex"}
    assert "Globex" in editor.post(address(), form).content.decode()
    assert editor.get(address()).status_code == 403
    assert not Brand.objects.filter(slug="globex").exists()


def test_the_form_keeps_files_texts_links_and_hosts(editor, acme):
    change = reverse("admin:branding_brand_change", args=[acme.pk])
    form = {
        **FORM,
        "logo": SimpleUploadedFile("logo.svg", SVG),
        "texts-en-footer": "Acme, since 1950",
        "links-nl-terms_url": "https://acme.example/nl",
        "hosts": "LOGIN.acme.example\nwww.acme.example",
    }
    assert editor.post(change, form).status_code == 302
    acme.refresh_from_db()
    assert acme.logo_id.endswith(".svg")
    assert acme.texts == {"en": {"footer": "Acme, since 1950"}}
    assert acme.links == {"nl": {"terms_url": "https://acme.example/nl"}}
    assert acme.hosts == ["login.acme.example", "www.acme.example"]
    changed = AuditEvent.objects.latest("id").details["changed"]
    assert changed["logo"] == [None, acme.logo_id]
    kept = acme.logo_id
    editor.post(change, {name: value for name, value in form.items() if name != "logo"})
    acme.refresh_from_db()
    assert acme.logo_id == kept
    editor.post(change, {**FORM, "logo-clear": "on"})
    acme.refresh_from_db()
    assert acme.logo is None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("logo", SimpleUploadedFile("a.svg", b"<svg><script/></svg>"), "is no SVG"),
        ("logo", SimpleUploadedFile("a.png", b"MZ"), "is none of SVG, PNG, WEBP"),
        ("texts-en-footer", 161 * "x", "at most 160"),
        ("texts-en-footer", "a\nb", "must be one line of text"),
        ("links-nl-terms_url", "javascript:alert(1)", "begins with https:// or http://"),
        ("hosts", "https://acme.example", "is no host name"),
        ("background_color", "red", "Enter a colour"),
        ("corner_radius", "33", "less than or equal to 32"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(editor, acme, field, value, said):
    before = list(Brand.objects.values())
    change = reverse("admin:branding_brand_change", args=[acme.pk])
    answer = editor.post(change, {**FORM, field: value})
    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field.partition("-")[0]]
    assert said in str(errors)
    assert list(Brand.objects.values()) == before


def test_the_templates_are_where_the_search_looks():
    assert Path(OURS, "base.html").is_file()
