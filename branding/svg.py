"""Writes an SVG picture anew from what is known to be harmless in one, and refuses all else.

A picture is never repaired by taking out what is dangerous: what is stored was written here,
element by element, from the two lists below. What drawing programs leave of their own (elements and
attributes of other namespaces, metadata, comments) is left out; anything else that is not in a list
is refused by name, because the picture would look different without it.
"""

import re
from collections.abc import Mapping
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
_BETWEEN = " "  # Between a namespace and a name; neither has one.
MAX_DEPTH = 50

# No script, no link, no animation (which can set any attribute), no text of another document
# (foreignObject), no picture in the picture.
_ELEMENTS = """
    svg g defs symbol use title desc path rect circle ellipse line polyline polygon text tspan
    linearGradient radialGradient stop clipPath mask pattern marker style filter feBlend
    feColorMatrix feComposite feFlood feGaussianBlur feMerge feMergeNode feOffset
"""
_ATTRIBUTES = """
    id class style transform d points x y x1 y1 x2 y2 dx dy cx cy r rx ry fx fy width height
    viewBox version preserveAspectRatio pathLength role aria-label aria-hidden aria-labelledby
    fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap
    stroke-linejoin stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color display
    visibility overflow clip-path clip-rule clipPathUnits mask maskUnits maskContentUnits
    mask-type filter filterUnits primitiveUnits in in2 result mode values type operator k1 k2 k3
    k4 stdDeviation flood-color flood-opacity color-interpolation-filters gradientUnits
    gradientTransform spreadMethod offset stop-color stop-opacity patternUnits
    patternContentUnits patternTransform markerWidth markerHeight markerUnits refX refY orient
    marker-start marker-mid marker-end font-family font-size font-weight font-style text-anchor
    dominant-baseline letter-spacing textLength lengthAdjust vector-effect shape-rendering
    text-rendering paint-order mix-blend-mode
"""
ELEMENTS = frozenset(_ELEMENTS.split())
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
# In attributes and style sheets: a reference to a part of this very picture.
_OWN_PART = re.compile(r"""\Aurl\(\s*['"]?#[\w.-]+['"]?\s*\)""", re.IGNORECASE)
_OWN_HREF = re.compile(r"\A#[\w.-]+\Z")
_CALL = re.compile(r"url\s*\(|image\s*\(|image-set\s*\(|expression\s*\(|src\s*\(", re.IGNORECASE)


class Refused(ValueError):
    """The picture is not taken; the text says why, as the rest of a sentence about it."""


def rewritten(content: bytes) -> bytes:
    """The picture in our own writing, which it would write the same way again. Raises Refused."""
    writer = _Writer()
    # Whatever the document claims, but for a byte order mark: what is written is UTF-8 anyway.
    parser = expat.ParserCreate("utf-8", _BETWEEN)
    parser.StartDoctypeDeclHandler = writer.doctype
    parser.EntityDeclHandler = writer.entity
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise Refused(f"is no SVG: line {error.lineno}, {reason}") from None
    return "".join(writer.parts).encode()


class _Writer:
    """Answers the parser's events by writing what is allowed of them."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.open: list[str] = []
        self.skipped = 0  # How many elements are open of a part that is left out.

    def doctype(
        self, _name: str, _system: str | None, _public: str | None, has_own_part: bool
    ) -> None:
        # The old public identifiers of SVG are harmless, and are left out.
        if has_own_part:
            raise Refused("declares entities or elements of its own (<!DOCTYPE … [)")

    def entity(self, *_: Any) -> None:
        raise Refused("declares entities of its own")

    def start(self, qualified: str, attributes: Mapping[str, str]) -> None:
        namespace, _, name = qualified.rpartition(_BETWEEN)
        if not self.open and (namespace, name) != (SVG, "svg"):
            raise Refused(f"is no SVG: it begins with <{name}>")
        if self.skipped or namespace != SVG or name == "metadata":
            # A stranger may hold one of ours, which is then not drawn by anybody.
            self.skipped += 1
            return
        if name not in ELEMENTS:
            raise Refused(f"has the element <{name}>")
        if len(self.open) == MAX_DEPTH:
            raise Refused(f"is nested more than {MAX_DEPTH} levels deep")
        given = _attributes(name, attributes)
        if not self.open:
            given = {"xmlns": SVG, **_sized(given)}
        self.open.append(name)
        self.parts.append(f"<{name}{''.join(f' {n}={quoteattr(v)}' for n, v in given.items())}>")

    def end(self, _qualified: str) -> None:
        if self.skipped:
            self.skipped -= 1
        else:
            self.parts.append(f"</{self.open.pop()}>")

    def text(self, text: str) -> None:
        if self.skipped:
            return
        if self.open[-1] == "style":
            _refuse_what_loads(text, "its style sheet")
            if "<" in text:
                raise Refused("has markup in its style sheet")
        self.parts.append(escape(text))


def _attributes(element: str, given: Mapping[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for qualified, value in given.items():
        namespace, _, name = qualified.rpartition(_BETWEEN)
        if name == "href" and namespace in {"", XLINK}:
            if not _OWN_HREF.match(value):
                raise Refused(f"refers from <{element}> to something outside of it")
            kept["href"] = value
        elif namespace:
            continue
        elif name.lower().startswith("on"):
            raise Refused(f"has the attribute {name}, which runs scripts")
        elif name in ATTRIBUTES:
            _refuse_what_loads(value, f"the attribute {name}")
            kept[name] = value
    return kept


def _refuse_what_loads(text: str, where: str) -> None:
    """Style that names anything outside of the picture, or is written so that one cannot tell."""
    if "\\" in text or "@" in text or "/*" in text:
        raise Refused(f"has an escape, a comment or a rule with @ in {where}")
    for call in _CALL.finditer(text):
        if not _OWN_PART.match(text[call.start() :]):
            raise Refused(f"loads something from elsewhere in {where}")


def _sized(attributes: dict[str, str]) -> dict[str, str]:
    """With a viewBox, by which browsers scale it; drawing programs may give only a size."""
    if "viewBox" in attributes:
        return attributes
    size = [attributes.get(side, "").removesuffix("px") for side in ("width", "height")]
    if not all(re.fullmatch(r"\d{1,5}(\.\d{1,5})?", side) for side in size):
        raise Refused("has no viewBox")
    return {"viewBox": f"0 0 {size[0]} {size[1]}", **attributes}
