"""An authenticator in software (WebAuthn level 2): makes a passkey and signs with it, as browsers
post it. What it says of itself can be bent."""

import base64
import hashlib
import json
import secrets
import struct
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256

PRESENT, VERIFIED, MAY_BE_SYNCED, HAS_KEY = 0x01, 0x04, 0x08, 0x40


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Authenticator:
    """Of one user; `counts` and `is_synced` as hardware and software keys differ."""

    def __init__(self, url: str, *, counts: bool = True, is_synced: bool = False) -> None:
        parts = urlsplit(url)
        self.origin, self.host = f"{parts.scheme}://{parts.netloc}", parts.hostname or ""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id, self.user_handle = secrets.token_bytes(32), b""
        self.counts, self.count = counts, 0
        self.flags = PRESENT | VERIFIED | (MAY_BE_SYNCED if is_synced else 0)

    def create(self, options: dict[str, Any], **bent: Any) -> str:
        """The answer to `navigator.credentials.create` (RegistrationResponseJSON)."""
        self.user_handle = base64.urlsafe_b64decode(options["user"]["id"] + "==")
        public = cbor.encode(ES256.from_cryptography_key(self.key.public_key()))
        attested = bytes(16) + struct.pack(">H", len(self.credential_id))
        attested += self.credential_id + public
        data = self._data(bent, HAS_KEY) + bent.get("attested", attested)
        statement = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", options, bent)
        return self._said(
            {
                "clientDataJSON": encoded(client_data),
                "attestationObject": encoded(bent.get("statement", statement)),
            }
        )

    def get(self, options: dict[str, Any], **bent: Any) -> str:
        """The answer to `navigator.credentials.get` (AuthenticationResponseJSON)."""
        self.count += self.counts
        data = bent.get("data", self._data(bent))
        client_data = self._client_data("webauthn.get", options, bent)
        signed = data + hashlib.sha256(client_data).digest()
        signature = bent.get("signature", self.key.sign(signed, ec.ECDSA(SHA256())))
        return self._said(
            {
                "clientDataJSON": encoded(client_data),
                "authenticatorData": encoded(data),
                "signature": encoded(signature),
                "userHandle": encoded(bent.get("user_handle", self.user_handle)),
            }
        )

    def _data(self, bent: dict[str, Any], more: int = 0) -> bytes:
        host = hashlib.sha256(bent.get("host", self.host).encode()).digest()
        flags, count = bent.get("flags", self.flags) | more, bent.get("count", self.count)
        return host + struct.pack(">BI", flags, count)

    def _client_data(self, kind: str, options: dict[str, Any], bent: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(said | bent.get("client_data", {})).encode()

    def _said(self, response: dict[str, str]) -> str:
        name = encoded(self.credential_id)
        return json.dumps(
            {
                "id": name,
                "rawId": name,
                "type": "public-key",
                "clientExtensionResults": {},
                "response": response,
            }
        )
