"""Public keys and certificates as PEM: the one place that reads them, and knows when they end.

Nothing that is refused here is said again, in no message: it may be somebody's private key.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from idp.jwks import MAX_KEYS, MAX_RSA_BITS, MIN_RSA_BITS, PublicKey

if TYPE_CHECKING:
    from idp.accounts.models import TrustedIssuer

MAX_CHARACTERS = 16_384
_BLOCK = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----[^-]+-----END (?P=label)-----")
# RFC 7518 section 3.4 gives each curve its algorithm, and section 6.2.1.1 its name.
_CURVES = {
    "secp256r1": ("P-256", "ES256"),
    "secp384r1": ("P-384", "ES384"),
    "secp521r1": ("P-521", "ES512"),
}
_ALGORITHMS_OF_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})


class NotAPublicKey(ValueError):
    """The text is no public key or certificate that can be used; says why, as a verb phrase."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A public key with the algorithms it can verify, and what its certificate says of it."""

    key: PublicKey
    algorithms: frozenset[str]
    subject: str = ""
    ends_at: datetime | None = None

    @property
    def kind(self) -> str:
        """`RSA 2048`, `EC P-256`, `Ed25519`."""
        match self.key:
            case rsa.RSAPublicKey():
                return f"RSA {self.key.key_size}"
            case ec.EllipticCurvePublicKey():
                return f"EC {_CURVES[self.key.curve.name][0]}"
            case ed25519.Ed25519PublicKey():
                return "Ed25519"
        return "Ed448"


def split(text: str) -> list[str]:
    """The PEM blocks of a text, and whatever stands between them: nothing is passed over."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts, end = [], 0
    for block in _BLOCK.finditer(text):
        parts += [text[end : block.start()], block.group()]
        end = block.end()
    return [part.strip() for part in [*parts, text[end:]] if part.strip()]


def _is_private(text: str) -> bool:
    # The blank keeps base64 that happens to spell it out of this.
    return "PRIVATE KEY" in text.upper()


@lru_cache(maxsize=256)
def read(pem: str) -> KnownKey:
    """The key of one PEM block, parsed once. Raises NotAPublicKey."""
    if len(pem) > MAX_CHARACTERS:
        raise NotAPublicKey(f"has more than {MAX_CHARACTERS} characters")
    if _is_private(pem):
        raise NotAPublicKey(
            "is a private key, which nobody but its owner may have: give the public key or the "
            "certificate, and have that private key replaced"
        )
    block = _BLOCK.fullmatch(pem.strip())
    if block is None:
        raise NotAPublicKey("is not one PEM block")
    try:
        if block["label"] == "CERTIFICATE":
            return _of_certificate(x509.load_pem_x509_certificate(pem.strip().encode()))
        if block["label"] in {"PUBLIC KEY", "RSA PUBLIC KEY"}:
            return _known(load_pem_public_key(pem.strip().encode()))
    except NotAPublicKey:
        raise
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        pass  # The reason below will do: cryptography's own may speak of its internals.
    raise NotAPublicKey("is no public key or certificate that can be read")


def _of_certificate(certificate: x509.Certificate) -> KnownKey:
    return _known(
        certificate.public_key(),
        certificate.subject.rfc4514_string(),
        certificate.not_valid_after_utc,
    )


def _known(key: object, subject: str = "", ends_at: datetime | None = None) -> KnownKey:
    match key:
        case rsa.RSAPublicKey():
            if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                raise NotAPublicKey(
                    f"is an RSA key of {key.key_size} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}"
                )
            return KnownKey(key, _ALGORITHMS_OF_RSA, subject, ends_at)
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            _, algorithm = _CURVES[key.curve.name]
            return KnownKey(key, frozenset({algorithm}), subject, ends_at)
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return KnownKey(key, frozenset({"EdDSA"}), subject, ends_at)
    raise NotAPublicKey("is a key of a kind that no algorithm here can use")


def problems_with(pems: Iterable[str], algorithms: Iterable[str]) -> list[str]:
    """What is wrong with the keys of somebody who signs with these algorithms, as sentences."""
    pems, allowed = list(pems), set(algorithms)
    if len(pems) > MAX_KEYS:
        return [f"There are more than {MAX_KEYS} keys."]
    problems = []
    for number, pem in enumerate(pems, start=1):
        try:
            known = read(pem)
        except NotAPublicKey as error:
            problems.append(f"Key {number} {error}.")
            continue
        if allowed and not allowed & known.algorithms:
            usable = ", ".join(sorted(known.algorithms))
            problems.append(
                f"Key {number} ({known.kind}) is for {usable}, which is not among the algorithms."
            )
    return problems


def problems_with_url(url: str) -> list[str]:
    """What is wrong with the address of a JWKS, as sentences: whoever answers there is believed."""
    try:
        parts = urlsplit(url)
        has_host = parts.hostname and parts.port != 0  # A port that is no number raises.
    except ValueError:
        return ["This is not an address."]
    is_plain = url.isascii() and url.isprintable() and not {" ", "#", "\\"} & set(url)
    if not (has_host and is_plain) or parts.username is not None:
        return ["This is not an address without credentials, blanks and fragment."]
    if parts.scheme == "https":
        return []
    if parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}:
        return []
    return ["Use https; plain http is for loopback addresses only."]


def readable(pems: Iterable[str]) -> list[KnownKey]:
    """The keys that can be used, in their order; stored ones were checked, by the rules of then."""
    found = []
    for pem in pems:
        try:
            found.append(read(pem))
        except NotAPublicKey:
            continue
    return found


def ends_at(issuer: "TrustedIssuer") -> datetime | None:
    """When the first of the issuer's certificates ends; None where there are none here."""
    ends = [key.ends_at for key in readable(issuer.public_keys) if key.ends_at]
    return min(ends, default=None)
