"""What a brand may upload, and how its bytes are checked: by what they are, never by their name.

The sizes are such that a page stays below 100 KB whatever is uploaded: all that may come together
on one page are a logo, an icon and a font.
"""

import base64
import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from branding import svg
from branding.svg import Refused

KILOBYTE = 1024
MEDIA_TYPES = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "webp": "image/webp",
    "woff2": "font/woff2",
}
_EXTENSIONS = {media_type: extension for extension, media_type in MEDIA_TYPES.items()}
MAX_SIDE = 1024
# Of a file as it comes: drawing programs write a lot into an SVG that is then left out.
MAX_RAW_BYTES = 256 * KILOBYTE
# Of the hash in a file's name: 128 bits, so that nobody finds a second content for it.
_HASH_BYTES = 16


@dataclass(frozen=True, slots=True)
class Upload:
    """Content that was checked."""

    extension: str
    content: bytes

    @classmethod
    def checked(cls, content: bytes, purpose: "Purpose") -> Self:
        """Raises Refused, whose text is the rest of a sentence about the file."""
        _check_bytes(content, MAX_RAW_BYTES)
        for extension in purpose.extensions:
            if _BEGINNINGS[extension](content):
                written = _CHECKS[extension](content)
                _check_bytes(written, purpose.max_bytes)
                return cls(extension, written)
        kinds = ", ".join(extension.upper() for extension in purpose.extensions)
        raise Refused(f"is none of {kinds}" if "," in kinds else f"is no {kinds}")

    @classmethod
    def read(cls, text: str) -> Self:
        """One that was checked before and written as its `data_url`."""
        head, _, encoded = text.partition(",")
        media_type = head.removeprefix("data:").removesuffix(";base64")
        return cls(_EXTENSIONS[media_type], base64.b64decode(encoded))

    @property
    def name(self) -> str:
        """Made of the content: another content has another name, and so another address."""
        digest = hashlib.sha256(self.content).digest()[:_HASH_BYTES]
        return f"{digest.hex()}.{self.extension}"

    @property
    def data_url(self) -> str:
        return data_url(self.extension, self.content)


def content_of(text: str) -> bytes:
    """What a data URL holds. Raises Refused."""
    head, comma, encoded = text.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise Refused("is not written data:image/png;base64,…")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise Refused("is no base64") from None


def data_url(extension: str, content: bytes) -> str:
    return f"data:{MEDIA_TYPES[extension]};base64,{base64.b64encode(content).decode()}"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a file is for."""

    label: str
    extensions: tuple[str, ...]
    max_bytes: int
    help_text: str


PURPOSES = {
    "logo": Purpose(
        "logo",
        ("svg", "png", "webp"),
        20 * KILOBYTE,
        "SVG, PNG or WebP, at most 20 KB; shown up to 40 pixels high and 240 wide. Without one, "
        "the name of the brand is written.",
    ),
    "logo_dark": Purpose(
        "logo on dark pages",
        ("svg", "png", "webp"),
        20 * KILOBYTE,
        "The same, for the dark look. Without one, the logo above is shown there, too.",
    ),
    "favicon": Purpose(
        "icon of the tab",
        ("svg", "png"),
        8 * KILOBYTE,
        "A square SVG or PNG, at most 8 KB.",
    ),
    "font_file": Purpose(
        "font of your own",
        ("woff2",),
        36 * KILOBYTE,
        "WOFF2, at most 36 KB: one variable font or one weight, with the letters of your "
        "languages. Until it has come, and where it lacks a letter, the font above is shown.",
    ),
}


# --- The formats ----------------------------------------------------------------------------------

_PNG = b"\x89PNG\r\n\x1a\n"


def _begins_svg(content: bytes) -> bool:
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


_BEGINNINGS: dict[str, Callable[[bytes], bool]] = {
    "svg": _begins_svg,
    "png": lambda content: content.startswith(_PNG),
    "webp": lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP",
    "woff2": lambda content: content.startswith(b"wOF2"),
}


def _png(content: bytes) -> bytes:
    """PNG specification, sections 5 and 11: whole chunks with right sums, and nothing behind."""
    kinds = []
    for kind, data, sum_ in _png_chunks(content):
        if zlib.crc32(kind + data) != sum_:
            raise Refused("is damaged")
        if kind == b"IHDR":
            _check_size(*struct.unpack(">II", data[:8]))
        elif kind == b"acTL":
            raise Refused("moves: a logo stands still")
        kinds.append(kind)
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or b"IDAT" not in kinds:
        raise Refused("is damaged")
    return content


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    at = len(_PNG)
    while at < len(content):
        try:
            length, kind = struct.unpack_from(">I4s", content, at)
            data = content[at + 8 : at + 8 + length]
            (sum_,) = struct.unpack_from(">I", content, at + 8 + length)
        except struct.error:
            raise Refused("is damaged") from None
        if kind == b"IHDR" and length != 13:  # noqa: PLR2004 (section 11.2.2)
            raise Refused("is damaged")
        yield kind, data, sum_
        at += 12 + length


def _webp(content: bytes) -> bytes:
    """RFC 9649 section 2: one RIFF that is all of the file, with a picture that stands still."""
    (length,) = struct.unpack_from("<I", content, 4)
    if length + 8 != len(content):
        raise Refused("is damaged")
    at, has_picture = 12, False
    while at < len(content):
        if at + 8 > len(content):
            raise Refused("is damaged")
        kind, size = struct.unpack_from("<4sI", content, at)
        data = content[at + 8 : at + 8 + size]
        if len(data) < size:
            raise Refused("is damaged")
        if kind in {b"ANIM", b"ANMF"}:
            raise Refused("moves: a logo stands still")
        if kind in _WEBP_SIZES:
            _check_size(*_webp_size(kind, data))
            has_picture = has_picture or kind != b"VP8X"
        at += 8 + size + size % 2
    if not has_picture:
        raise Refused("is damaged")
    return content


_WEBP_SIZES = frozenset({b"VP8 ", b"VP8L", b"VP8X"})
_VP8_START, _VP8L_START = b"\x9d\x01\x2a", 0x2F
_FOURTEEN_BITS = 0x3FFF


def _webp_size(kind: bytes, data: bytes) -> tuple[int, int]:
    """Width and height, as each of the three sorts of chunks says them."""
    if len(data) < 10 and not (kind == b"VP8L" and len(data) > 4):  # noqa: PLR2004 (as below)
        raise Refused("is damaged")
    if kind == b"VP8X":
        return tuple(1 + int.from_bytes(data[at : at + 3], "little") for at in (4, 7))  # type: ignore[return-value]
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        if data[0] != _VP8L_START:
            raise Refused("is damaged")
        return 1 + (bits & _FOURTEEN_BITS), 1 + (bits >> 14 & _FOURTEEN_BITS)
    width, height = struct.unpack_from("<HH", data, 6)
    if data[3:6] != _VP8_START:
        raise Refused("is damaged")
    return width & _FOURTEEN_BITS, height & _FOURTEEN_BITS


def _woff2(content: bytes) -> bytes:
    """W3C WOFF 2.0, section 4.1: the header fits the file. Browsers check the font itself."""
    if len(content) < 48:  # noqa: PLR2004 (the header)
        raise Refused("is damaged")
    length, tables, reserved, _unpacked, packed = struct.unpack_from(">IHHII", content, 8)
    if length != len(content) or not tables or reserved or packed > length:
        raise Refused("is damaged")
    return content


def _check_bytes(content: bytes, most: int) -> None:
    if len(content) > most:
        raise Refused(f"has {len(content) // KILOBYTE + 1} KB: at most {most // KILOBYTE} KB")


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise Refused(f"is {width} by {height} pixels: at most {MAX_SIDE} by {MAX_SIDE}")


_CHECKS: dict[str, Callable[[bytes], bytes]] = {
    "svg": svg.rewritten,
    "png": _png,
    "webp": _webp,
    "woff2": _woff2,
}
