"""JSON Web Keys and signed JWTs; keys are objects, parsed once."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | Ed25519PrivateKey

RSA_BITS = 2048
# RFC 7638 section 3.2, and RFC 8037 section 2: the members that a thumbprint is made of, in order.
_THUMBPRINT_MEMBERS = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, ready to sign."""

    kid: str
    algorithm: str
    key: PrivateKey

    def sign(self, claims: dict[str, Any], *, typ: str = "JWT") -> str:
        """A compact JWS (RFC 7515) of the claims."""
        return jwt.encode(
            claims, self.key, algorithm=self.algorithm, headers={"kid": self.kid, "typ": typ}
        )


def new_private_key(algorithm: str) -> PrivateKey:
    """A fresh key for ES256, RS256 or EdDSA (Ed25519, RFC 8037)."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    if algorithm == "EdDSA":
        return Ed25519PrivateKey.generate()
    raise ValueError(f"No keys are made for {algorithm}.")


def to_pem(key: PrivateKey) -> bytes:
    """PKCS #8, unencrypted: for the vault's eyes only."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def from_pem(pem: bytes) -> PrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, PrivateKey):
        raise TypeError("Not a key of a kind that is made here.")
    return key


def public_jwk(key: PrivateKey, algorithm: str) -> dict[str, str]:
    """The public half as a JSON Web Key (RFC 7517), its thumbprint as `kid`."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        members = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, Ed25519PublicKey):
        members = OKPAlgorithm.to_jwk(public, as_dict=True)
    else:
        members = ECAlgorithm.to_jwk(public, as_dict=True)
    jwk = {name: members[name] for name in _THUMBPRINT_MEMBERS[members["kty"]]}
    return jwk | {"kid": thumbprint(jwk), "alg": algorithm, "use": "sig"}


def thumbprint(jwk: dict[str, str]) -> str:
    """RFC 7638: SHA-256 over the required members, base64url."""
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
