"""What a page says of its brand: its words, its links, its colours."""

from itertools import product

import pytest
from django.test import Client as Browser
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from branding import mail
from branding.colors import DARK_SURFACE, LIGHT_SURFACE, contrast, palette
from branding.look import look_of
from branding.models import Brand, BrandFile
from branding.stylesheet import FONTS
from branding.uploads import PURPOSES, Upload
from tests.brands.pictures import SVG, png, woff2
from tests.configuration import Shopper, account, shop
from tests.environment import PUBLIC_URL

COLORS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@given(COLORS, COLORS)
def test_every_pair_of_every_brand_can_be_read(primary, background):
    """WCAG 2.2, 1.4.3 and 1.4.11: 4.5:1 for text, 3:1 for the edge of a control."""
    for shades, surface in (
        (palette(primary, background).light, LIGHT_SURFACE),
        (palette(primary, background).dark, DARK_SURFACE),
    ):
        assert contrast(shades.primary, shades.on_primary) >= 4.5
        assert contrast(shades.primary_hover, shades.on_primary) >= 4.5
        assert contrast(shades.accent, surface) >= 4.5
        assert contrast(shades.edge, surface) >= 3
        assert contrast(shades.backdrop, shades.on_backdrop) >= 4.5
    dark = palette(primary, background).dark
    assert contrast(dark.backdrop, "#ffffff") >= 12


def test_a_brand_without_a_background_has_that_of_all():
    assert "backdrop" not in palette("#0a7a4b").light.css


def test_each_font_ends_in_what_every_device_has():
    assert FONTS.keys() == set(Brand.Font)
    assert all(f.endswith(("sans-serif", ",serif", "")) for f in FONTS.values())


def test_the_stylesheet_holds_nothing_that_somebody_typed():
    brand = Brand(slug="a", name="}</style>", texts={"en": {"footer": "}"}}, corner_radius=3)
    brand.font_file = BrandFile.of(Upload.checked(woff2(), PURPOSES["font_file"]))
    css = look_of(brand, "en", inline=True).css
    assert "style" not in css.replace("font-style", "")
    assert css.count("{") == css.count("}")
    assert "src:url(data:font/woff2;base64," in css
    assert "--radius:3px" in css


@pytest.mark.parametrize(("scheme", "files"), [*product(Brand.Scheme, range(3))])
def test_the_logo_is_the_one_for_the_look(scheme, files):
    names = {"logo": "1.svg", "logo_dark": "2.png"}
    has = [{"logo"}, {"logo_dark"}, {"logo", "logo_dark"}][files]
    brand = Brand(slug="a", name="A", scheme=scheme, **{f"{n}_id": names[n] for n in has})
    look = look_of(brand, "en")
    wanted = "logo_dark" if scheme == "dark" or "logo" not in has else "logo"
    if wanted not in has:
        wanted = "logo"
    assert look.logo_url == f"/brand/files/{names[wanted]}"
    both = scheme == "automatic" and len(has) == 2
    assert look.logo_dark_url == ("/brand/files/2.png" if both else "")


@pytest.mark.django_db
def test_words_and_links_are_those_of_the_language_and_text_alone():
    account()
    shop()
    shopper, brand = Shopper(), Brand.objects.get()
    brand.languages = ["en", "nl", "de"]
    brand.privacy_url = "https://acme.example/privacy"
    brand.reset_url = "https://acme.example/reset"
    brand.links = {
        "nl": {key: f"https://acme.example/nl/{key}" for key in ("privacy_url", "reset_url")}
    }
    brand.texts = {
        "en": {"sign_in_title": "Hello <b>you</b>", "footer": "Since 1950"},
        "nl": {"sign_in_line": "Fijn dat je er bent"},
    }
    brand.full_clean()
    brand.save()
    address = shopper.authorize().headers["Location"]
    pages = {
        language: Browser().get(address, headers={"Accept-Language": language}).content.decode()
        for language in ("en", "nl", "de")
    }
    assert "<h1>Hello &lt;b&gt;you&lt;/b&gt;</h1>" in pages["en"]
    assert "Since 1950" in pages["en"]
    assert "<h1>Inloggen</h1>" in pages["nl"]
    assert "Fijn dat je er bent" in pages["nl"]
    assert "Since 1950" not in pages["nl"]
    for path in ("privacy_url", "reset_url"):
        assert f'href="https://acme.example/nl/{path}"' in pages["nl"]
    for path in ("privacy", "reset"):
        assert f'href="https://acme.example/{path}"' in pages["de"]


@pytest.mark.django_db
@pytest.mark.parametrize(("content", "is_shown"), [(png(), True), (SVG, False)])
def test_a_mail_has_the_logo_where_mail_programs_show_it(mailoutbox, content, is_shown):
    logo = BrandFile.of(Upload.checked(content, PURPOSES["logo"]))
    brand = Brand.objects.create(slug="acme", name="Acme", logo=logo, primary_color="#c2185b")
    with translation.override("en"):
        mail.send(
            *("jane@acme.example", brand, "en", "branding/mail/password_changed"),
            subject="Changed",
            user_name="jane",
        )
    html = mailoutbox[0].alternatives[0].content
    assert (f'src="{PUBLIC_URL}/brand/files/{logo.name}"' in html) is is_shown
    assert "#c2185b" in html
    assert "Acme" in html
