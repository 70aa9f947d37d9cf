"""A brand as one page shows it: what templates get as `brand`, in one language.

Templates get this and not the row, so that what they may use is listed here, for those of brands
too, and a preview can show what is not saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.urls import reverse

from branding import stylesheet
from branding.colors import Shades
from branding.models import Brand, BrandFile
from branding.texts import LINKS
from branding.uploads import MEDIA_TYPES


@dataclass(frozen=True, slots=True)
class Look:
    """All that a page says of its brand. Addresses are empty where there is nothing."""

    slug: str
    name: str
    scheme: str  # automatic, light or dark
    language: str
    texts: Mapping[str, str]  # by the names of branding.texts.TEXTS, only those that there are
    privacy_url: str
    terms_url: str
    register_url: str
    reset_url: str
    support_url: str
    logo_url: str
    logo_dark_url: str  # where it is another one
    favicon_url: str
    favicon_type: str
    stylesheet_url: str
    css: str  # the stylesheet itself, where it has no address yet
    light: Shades

    @property
    def color_scheme(self) -> str:
        """For <meta name="color-scheme">."""
        return "light dark" if self.scheme == Brand.Scheme.AUTOMATIC else self.scheme


def look_of(brand: Brand, language: str, *, inline: bool = False) -> Look:
    """Asks the database for nothing. `inline` is for a brand that is not saved: its stylesheet has
    no address yet and comes with the page."""
    logo, logo_dark = (_address(brand, field) for field in ("logo", "logo_dark"))
    is_dark = brand.scheme == Brand.Scheme.DARK
    css = css_of(brand)
    return Look(
        slug=brand.slug,
        name=brand.name,
        scheme=brand.scheme,
        language=language,
        texts=brand.texts.get(language, {}),
        **{link: link_of(brand, link, language) for link in LINKS},
        logo_url=(logo_dark or logo) if is_dark else (logo or logo_dark),
        logo_dark_url=logo_dark if logo and brand.scheme == Brand.Scheme.AUTOMATIC else "",
        favicon_url=_address(brand, "favicon"),
        favicon_type=_media_type(brand.favicon_id),
        stylesheet_url="" if inline else _stylesheet_url(brand, css),
        css=css if inline else "",
        light=brand.palette.light,
    )


def css_of(brand: Brand) -> str:
    return stylesheet.css(brand, _address(brand, "font_file"))


def link_of(brand: Brand, link: str, language: str) -> str:
    """One of the brand's links in a language; empty where there is none."""
    return str(brand.links.get(language, {}).get(link) or getattr(brand, link))


def _stylesheet_url(brand: Brand, css: str) -> str:
    address = reverse("branding:stylesheet", args=[brand.slug])
    return f"{address}?v={stylesheet.version(css)}"


def _address(brand: Brand, field: str) -> str:
    name = getattr(brand, f"{field}_id")
    if not name:
        return ""
    file: BrandFile | None = brand._state.fields_cache.get(field)
    if file and not file.is_stored:
        return file.data_url
    return reverse("branding:file", args=[name])


def _media_type(name: str | None) -> str:
    return MEDIA_TYPES[name.rpartition(".")[2]] if name else ""
