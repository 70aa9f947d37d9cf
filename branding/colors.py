"""A brand's palette, computed from its colours so that every pair is readable (WCAG 2.2 AA)."""

import colorsys
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache

BLACK = "#000000"
WHITE = "#ffffff"

# The card's background in pages.css (--surface), light and dark. Change both places together.
LIGHT_SURFACE = "#ffffff"
DARK_SURFACE = "#1b1e24"

# WCAG 2.2, 1.4.3: "at least 4.5:1" for text; 1.4.11: "at least 3:1" for the edge of a control.
TEXT_CONTRAST = 4.5
EDGE_CONTRAST = 3.0
# On dark, a link at 4.5:1 beside text at 15:1 looks switched off.
DARK_ACCENT_CONTRAST = 6.0
DARK_GREY_CONTRAST = 12.0
# Of what is around a dark card: white text on it has 16:1 in any hue.
DARK_LIGHTNESS, DARK_SATURATION = 0.075, 0.4
# A colour whose channels (0 to 255) lie this close together is a grey.
GREY_SPREAD = 24


@dataclass(frozen=True)
class Shades:
    """The colours of one scheme, each `#rrggbb`; their names are pages.css's custom properties."""

    primary: str  # buttons
    on_primary: str
    primary_hover: str
    accent: str  # links and focus rings
    edge: str  # around what is filled with primary
    backdrop: str = ""  # around the card, where the brand says so
    on_backdrop: str = ""

    @cached_property
    def css(self) -> str:
        said = {name: value for name, value in asdict(self).items() if value}
        properties = (f"--{name.replace('_', '-')}:{value}" for name, value in said.items())
        return ":root{" + ";".join(properties) + "}"


@dataclass(frozen=True)
class Palette:
    light: Shades
    dark: Shades


@lru_cache(maxsize=256)
def palette(color: str, background: str = "") -> Palette:
    """The palette of a brand's colours, each `#rgb` or `#rrggbb`; it may have no background."""
    primary = _hex(_rgb(color))
    light = _hex(_rgb(background)) if background else ""
    return Palette(
        light=_shades(primary, LIGHT_SURFACE, TEXT_CONTRAST, light),
        dark=_shades(_lifted(primary), DARK_SURFACE, DARK_ACCENT_CONTRAST, _dimmed(light)),
    )


def readable_on(background: str) -> str:
    """White or black text for this background.

    One of them always has enough contrast: where white falls below 4.5:1, black is above 4.66:1,
    because the product of both contrasts is 21 for every colour.
    """
    return WHITE if contrast(WHITE, background) >= TEXT_CONTRAST else BLACK


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _lifted(primary: str) -> str:
    """A dark brand's buttons would drown in a dark page; a black brand turns almost white there,
    because a grey button looks switched off.
    """
    grey = max(_rgb(primary)) - min(_rgb(primary)) <= GREY_SPREAD
    return _visible(primary, DARK_SURFACE, DARK_GREY_CONTRAST if grey else EDGE_CONTRAST)


def _dimmed(background: str) -> str:
    """The same hue in the dark, where a pale or a loud one would be too much."""
    if not background:
        return ""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(value / 255 for value in _rgb(background)))
    shade = (hue, min(lightness, DARK_LIGHTNESS), min(saturation, DARK_SATURATION))
    return _hex(tuple(round(255 * value) for value in colorsys.hls_to_rgb(*shade)))


def _shades(primary: str, surface: str, accent_contrast: float, backdrop: str) -> Shades:
    return Shades(
        primary=primary,
        on_primary=readable_on(primary),
        primary_hover=_hover(primary),
        accent=_visible(primary, surface, accent_contrast),
        edge=_visible(primary, surface, EDGE_CONTRAST),
        backdrop=backdrop,
        on_backdrop=backdrop and readable_on(backdrop),
    )


def _hover(primary: str) -> str:
    """A bit darker or lighter: the larger step of the two that leave the text readable."""
    text = readable_on(primary)
    steps = [_mix(primary, end, 0.14) for end in (BLACK, WHITE)]
    readable = [step for step in steps if contrast(text, step) >= TEXT_CONTRAST]
    return max(readable, key=lambda step: contrast(step, primary))


def _visible(color: str, surface: str, wanted: float) -> str:
    """The colour, moved away from the surface just as far as the wanted contrast needs."""
    away = BLACK if surface == LIGHT_SURFACE else WHITE
    for percent in range(101):
        moved = _mix(color, away, percent / 100)
        if contrast(moved, surface) >= wanted:
            return moved
    return away


def _luminance(color: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    red, green, blue = (_linear(value / 255) for value in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    if channel <= 0.04045:  # noqa: PLR2004 (the formula's own figures)
        return channel / 12.92
    return ((channel + 0.055) / 1.055) ** 2.4


def _mix(color: str, other: str, share: float) -> str:
    """`color` with this share (0 to 1) of the other one."""
    mixed = [a + (b - a) * share for a, b in zip(_rgb(color), _rgb(other), strict=True)]
    return _hex(tuple(round(value) for value in mixed))


def _rgb(color: str) -> tuple[int, ...]:
    digits = color.removeprefix("#")
    if len(digits) == len("rgb"):
        digits = "".join(digit * 2 for digit in digits)
    return tuple(bytes.fromhex(digits))


def _hex(rgb: tuple[int, ...]) -> str:
    return "#" + bytes(rgb).hex()
