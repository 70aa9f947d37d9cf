"""Somebody else who signs JWTs, and the server where they publish their keys."""

import json
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def new_key(algorithm: str = "ES256") -> PrivateKey:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: PrivateKey) -> str:
    """The public half."""
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def jwk(key: PrivateKey, kid: str | None = None, **members: Any) -> dict[str, Any]:
    """The public half as it is published."""
    public = key.public_key()
    for kind, algorithm in (
        (ec.EllipticCurvePublicKey, ECAlgorithm),
        (rsa.RSAPublicKey, RSAAlgorithm),
        (ed25519.Ed25519PublicKey, OKPAlgorithm),
    ):
        if isinstance(public, kind):
            found = algorithm.to_jwk(public, as_dict=True)
    found.pop("key_ops", None)
    return found | ({"kid": kid} if kid else {}) | members


@dataclass
class Signer:
    """Whoever signs: a corporate identity provider, or a client."""

    issuer: str
    audience: str
    algorithm: str = "ES256"
    kid: str | None = None
    key: PrivateKey = None  # type: ignore[assignment]
    defaults: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = self.key or new_key(self.algorithm)

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [jwk(self.key, self.kid)]}

    def claims(self, **claims: Any) -> dict[str, Any]:
        """What is signed where nothing else is said; a claim given as None is left out."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "sub": "employee-1",
            "aud": self.audience,
            "iat": now,
            "exp": now + 60,
            "jti": uuid.uuid4().hex,
            **self.defaults,
            **claims,
        }
        return {name: value for name, value in said.items() if value is not None}

    def sign(
        self, *, header: dict[str, Any] | None = None, key: PrivateKey | None = None, **claims: Any
    ) -> str:
        headers = ({"kid": self.kid} if self.kid else {}) | (header or {})
        return jwt.api_jws.encode(
            json.dumps(self.claims(**claims)).encode(),
            key or self.key,
            algorithm=self.algorithm,
            headers=headers,
        )


# --- Where keys are published ---------------------------------------------------------------------

type Answer = Callable[[BaseHTTPRequestHandler], None]


def document(body: object, status: int = 200, **headers: str) -> Answer:
    """A whole answer of JSON, or of bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


class KeyServer:
    """A real server on a loopback address, which answers as it is told. Counts what it is asked."""

    def __init__(self, answer: Answer, tls: Path | None = None, host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.asked: list[tuple[str, str | None]] = []
        self.stopped = Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers["Host"]))
                try:
                    outer.answer(self)
                except OSError:
                    pass  # The other side has had enough, as it should.

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server((host, 0), Handler)
        self.port = self._server.server_port
        self.scheme = "https" if tls else "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            # The handshake is for the thread of the request: one that hangs hangs alone.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/jwks.json"

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        self.stopped.wait(20)

    def drip(self, handler: BaseHTTPRequestHandler) -> None:
        """A byte now and then: no single read ever waits for long."""
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not self.stopped.wait(0.2):
            handler.wfile.write(b" ")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def tls_files(directory: Path, *names: str) -> tuple[Path, Path]:
    """`(the authority's certificate, key and certificate of a server with these names)`."""
    authority, key = new_key(), new_key()
    now = datetime.now(UTC)

    def certificate(name: str, public: Any, alternatives: list[str]) -> x509.Certificate:
        of = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(of)
            .issuer_name(by)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not alternatives, path_length=None), True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        )
        if alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(text) for text in alternatives]), False
            )
        else:
            usage = dict.fromkeys(
                (
                    *("digital_signature", "content_commitment", "key_encipherment"),
                    *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
                ),
                False,
            )
            builder = builder.add_extension(
                x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), True
            )
        return builder.sign(authority, SHA256())

    root = certificate("Authority of the tests", authority.public_key(), [])
    leaf = certificate(names[0], key.public_key(), list(names))
    authority_file, server_file = directory / "authority.pem", directory / "server.pem"
    authority_file.write_bytes(root.public_bytes(Encoding.PEM))
    server_file.write_bytes(private_pem(key) + leaf.public_bytes(Encoding.PEM))
    return authority_file, server_file


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
