"""The stylesheet of one brand, which comes after pages.css: colours, corners, font.

Nothing in it is text of an operator's: colours and numbers were checked, fonts are chosen from the
table, and the name of a file was made here. So nothing needs escaping.
"""

import hashlib

from branding.models import Brand

# Fonts that devices have (https://modernfontstacks.com), each ending in what every one has.
FONTS = {
    Brand.Font.SYSTEM: "",
    Brand.Font.HUMANIST: 'Seravek,"Gill Sans Nova",Ubuntu,Calibri,"DejaVu Sans",sans-serif',
    Brand.Font.GEOMETRIC: 'Avenir,Montserrat,Corbel,"URW Gothic","Century Gothic",sans-serif',
    Brand.Font.GROTESQUE: 'Inter,Roboto,"Helvetica Neue","Nimbus Sans",Arial,sans-serif',
    Brand.Font.SERIF: '"Iowan Old Style","Palatino Linotype","URW Palladio L",P052,Georgia,serif',
}
_SYSTEM = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif'
OWN_FONT = '"brand font"'


def css(brand: Brand, font_url: str) -> str:
    """`font_url` is where the brand's own font is, or empty."""
    return "".join([
        _font_face(font_url),
        _shapes(brand, bool(font_url)),
        _colors(brand),
    ])  # fmt: skip


def version(text: str) -> str:
    """Changes with the stylesheet: its ETag, and part of its address in our pages."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _font_face(url: str) -> str:
    if not url:
        return ""
    return (
        f"@font-face{{font-family:{OWN_FONT};src:url({url}) format('woff2');"
        "font-weight:100 900;font-display:swap}\n"
    )


def _shapes(brand: Brand, has_own_font: bool) -> str:
    fonts = FONTS[Brand.Font(brand.font)]
    if has_own_font:
        fonts = f"{OWN_FONT},{fonts or _SYSTEM}"
    font = f";--font:{fonts}" if fonts else ""
    return f":root{{--radius:{brand.corner_radius}px{font}}}\n"


def _colors(brand: Brand) -> str:
    light, dark = brand.palette.light.css, brand.palette.dark.css
    match Brand.Scheme(brand.scheme):
        case Brand.Scheme.LIGHT:
            return f":root{{color-scheme:light}}\n{light}\n"
        case Brand.Scheme.DARK:
            return f":root{{color-scheme:dark}}\n{dark}\n"
    return f"{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n"
