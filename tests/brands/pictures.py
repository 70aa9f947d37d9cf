"""The least pictures and fonts that there are, made here byte by byte."""

import struct
import zlib

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>'


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = 1, height: int = 1, *more: bytes, behind: bytes = b"") -> bytes:
    """Grey, with chunks of these kinds before the picture."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(height * (b"\0" + width * b"\x80"))
    chunks = [(b"IHDR", head), *((kind, b"\0" * 8) for kind in more), (b"IDAT", rows)]
    body = b"".join(_chunk(kind, data) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"") + behind


def webp(width: int = 1, height: int = 1, kind: bytes = b"VP8L") -> bytes:
    """The header of a lossless picture; nothing more of one is looked at."""
    bits = (width - 1) | (height - 1) << 14
    data = b"\x2f" + struct.pack("<I", bits) + b"\0\0\0"
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def woff2(length: int = 64) -> bytes:
    head = b"wOF2" + b"\0\1\0\0" + struct.pack(">IHHII", length, 1, 0, 100, 16)
    return head.ljust(length, b"\0")
