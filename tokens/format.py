"""What a token looks like outside: `<prefix>_<base64url(key id, masked id, nonce, mac)>`.

The database holds `id` and `nonce`, the token key ring makes the rest: neither opens anything
without the other, a made-up token is refused by arithmetic, and a token can be said again from
its row (decision 0001; the shape is Ory Hydra's HMAC strategy with the row's key in front).
"""

import base64
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from idp.macs import Mac

_ID_BYTES = _NONCE_BYTES = 8
_MAC_BYTES = 16
_BODY = re.compile(r"\A[A-Za-z0-9_-]{44}\Z")  # 33 bytes: no padding, one spelling.


class Prefix(StrEnum):
    """Says what a token is, to people and to secret scanners."""

    ACCESS_TOKEN = "at"
    REFRESH_TOKEN = "rt"
    AUTHORIZATION_CODE = "ac"
    DEVICE_CODE = "dc"


class Reference(NamedTuple):
    """What a genuine token points at: a row's key, and the nonce that the row must hold."""

    id: int
    nonce: int


@dataclass(frozen=True, slots=True)
class _Key:
    mac: Mac
    mask: Mac


class TokenFormat:
    """Writes tokens with the newest key of a ring, and reads those of all of its keys.

    `ring` maps a key id (0 to 255) to 32 secret bytes, newest first.
    """

    def __init__(self, ring: Mapping[int, bytes]) -> None:
        self._keys = {
            key_id: _Key(
                mac=Mac(hmac.digest(key, b"idp token mac", "sha256")),
                mask=Mac(hmac.digest(key, b"idp token mask", "sha256")),
            )
            for key_id, key in ring.items()
        }
        self._newest_id = next(iter(ring))

    def write(self, prefix: Prefix, row_id: int, nonce: int) -> str:
        """The token of a row; the same each time, as long as the newest key is the same.

        `nonce` is signed, as PostgreSQL keeps it.
        """
        return self._write(self._newest_id, prefix, row_id, nonce)

    def read(self, prefix: Prefix, token: str) -> Reference | None:
        """What the token points at, or None for anything that this server never said."""
        head, _, encoded = token.partition("_")
        if head != prefix or not _BODY.match(encoded):
            return None
        body = base64.urlsafe_b64decode(encoded)
        key = self._keys.get(body[0])
        if key is None:
            return None
        masked, nonce, mac = body[1:9], body[9:17], body[17:]
        row_id = _xor(masked, _mask(key, nonce))
        if not hmac.compare_digest(mac, _mac(key, prefix, row_id, nonce)):
            return None
        return Reference(int.from_bytes(row_id), int.from_bytes(nonce, signed=True))

    def _write(self, key_id: int, prefix: Prefix, row_id: int, nonce: int) -> str:
        key = self._keys[key_id]
        id_bytes = row_id.to_bytes(_ID_BYTES)
        nonce_bytes = nonce.to_bytes(_NONCE_BYTES, signed=True)
        # The id travels masked, so that nobody reads volumes out of tokens.
        body = (
            bytes([key_id])
            + _xor(id_bytes, _mask(key, nonce_bytes))
            + nonce_bytes
            + _mac(key, prefix, id_bytes, nonce_bytes)
        )
        return f"{prefix}_{base64.urlsafe_b64encode(body).decode()}"


def new_nonce() -> int:
    """64 random bits, signed."""
    return int.from_bytes(os.urandom(_NONCE_BYTES), signed=True)


def _mac(key: _Key, prefix: Prefix, row_id: bytes, nonce: bytes) -> bytes:
    return key.mac.digest(prefix.encode() + row_id + nonce)[:_MAC_BYTES]


def _mask(key: _Key, nonce: bytes) -> bytes:
    return key.mask.digest(nonce)[:_ID_BYTES]


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))
