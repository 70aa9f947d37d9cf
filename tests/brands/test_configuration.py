"""Brands in configuration files: applied, compared, exported, and what is wrong with them."""

from pathlib import Path

import pytest
from django.core.management import CommandError

from branding.models import Brand, BrandFile
from idp.audit.models import AuditEvent
from tests.brands.pictures import SVG, png
from tests.test_configuration import NOTHING, config

pytestmark = pytest.mark.django_db
FULL = """\
brands:
  - slug: acme
    name: Acme
    primary_color: "#0a7a4b"
    background_color: "#eef"
    scheme: dark
    corner_radius: 3
    font: serif
    logo: file:pictures/logo.svg
    favicon: file:icon.png
    texts: {nl: {sign_in_title: Welkom}, en: {footer: "Since 1950"}}
    links: {nl: {terms_url: https://acme.example/nl}}
    hosts: [www.acme.example, login.acme.example]
    languages: [en, nl]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "logo.svg").write_bytes(SVG)
    (tmp_path / "icon.png").write_bytes(png())
    (tmp_path / "full.yaml").write_text(FULL)
    return tmp_path


def test_a_file_says_all_of_a_brand_and_is_applied_once(folder):
    file = str(folder / "full.yaml")
    assert config("apply", file) == "+ brand acme\n1 change applied.\n"
    assert config("apply", file) == NOTHING
    brand = Brand.objects.get()
    assert (brand.scheme, brand.corner_radius, brand.font) == ("dark", 3, "serif")
    assert brand.texts == {"nl": {"sign_in_title": "Welkom"}, "en": {"footer": "Since 1950"}}
    assert brand.hosts == ["login.acme.example", "www.acme.example"]
    assert (brand.logo_id[-4:], brand.favicon_id[-4:], brand.logo_dark) == (".svg", ".png", None)


def test_a_change_is_told_in_words_and_never_as_a_file(folder):
    file = folder / "full.yaml"
    config("apply", str(file))
    (folder / "icon.png").write_bytes(png(2, 2))
    file.write_text(
        FULL.replace("Welkom", "Hallo").replace("    logo: file:pictures/logo.svg\n", "")
    )
    lines = (
        "~ brand acme: logo changed\n"
        "~ brand acme: favicon changed\n"
        '~ brand acme: texts.nl.sign_in_title: "Welkom" -> "Hallo"\n'
    )
    assert config("apply", str(file)) == f"{lines}3 changes applied.\n"
    event = AuditEvent.objects.latest("id").details
    assert event["changed"]["texts.nl.sign_in_title"] == ["Welkom", "Hallo"]
    assert event["changed"]["logo"][1] is None


def test_what_is_exported_is_one_file_and_makes_the_same_brand(folder):
    config("apply", str(folder / "full.yaml"))
    exported = folder / "elsewhere" / "exported.yaml"
    exported.parent.mkdir()
    config("export", str(exported))
    assert config("diff", str(exported)) == NOTHING
    before = list(Brand.objects.values("logo_id", "favicon_id", "texts", "links", "hosts"))
    Brand.objects.all().delete()
    BrandFile.objects.all().delete()
    config("apply", str(exported))
    assert list(Brand.objects.values(*before[0])) == before


WRONG = {
    "logo: file:nowhere.svg": "logo: names no file: nowhere.svg beside test.yaml",
    "logo: file:.": "logo: names no file: . beside test.yaml",
    "logo: file:full.yaml": "logo: is none of SVG, PNG, WEBP",
    "logo: logo.svg": "logo: is not written data:image/png;base64,…",
    'logo: "data:image/png;base64,é"': "logo: is no base64",
    "favicon: file:script.svg": "favicon: has the element <script>",
    "font: comic": "font: “comic” is none of those known here: "
    "system, humanist, geometric, grotesque, serif",
    "corner_radius: 33": "corner_radius: Ensure this value is less than or equal to 32.",
    "background_color: red": "background_color: Enter a colour as #rgb or #rrggbb.",
    "texts: {es: {footer: x}}": "texts.es: is no language of the pages: en, nl, de, fr",
    "texts: {nl: {foot: x}}": "texts.nl.foot: is no known key; did you mean footer?",
    "texts: {nl: x}": "texts.nl: must be a table, not text",
    "links: {nl: {terms_url: 'javascript:x'}}": "links: nl.terms_url Enter an address that begins "
    "with https:// or http://.",
    "hosts: ['*.example']": "hosts: “*.example” is no host name such as login.example.org, in "
    "lower case.",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_told_with_its_place_and_nothing_is_changed(folder, line):
    (folder / "script.svg").write_bytes(SVG.replace(b"<path", b"<script/><path"))
    file = folder / "test.yaml"
    file.write_text(f"brands:\n  - slug: acme\n    name: Acme\n    {line}\n")
    with pytest.raises(CommandError) as refused:
        config("apply", str(file))
    _, *lines = str(refused.value).splitlines()
    assert [text.partition(": ")[2] for text in lines] == [f"brands[0].{WRONG[line]}"]
    assert not Brand.objects.exists()
    assert not BrandFile.objects.exists()
