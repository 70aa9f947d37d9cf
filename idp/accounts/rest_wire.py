"""One question over HTTP to a login server, in bounded time and with an answer of bounded size.

It is the operator's own server, so any address may be asked. There are no redirects and no proxies:
a password goes to the configured address and nowhere else.
"""

import base64
import http.client
import io
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from idp.accounts import secret_references
from idp.accounts.outcomes import Outage
from idp.accounts.service_settings import RESTSettings

MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and, where it is JSON, the object of the body."""

    status: int
    body: dict[str, Any] | None


def ask(
    settings: RESTSettings, method: str, path: str, body: dict[str, Any] | None = None
) -> Answer:
    """Sends one request, once. Raises Outage."""
    parts = urlsplit(f"{settings.url}{path}")
    deadline = time.monotonic() + settings.timeout_seconds
    request = _request(settings, method, parts, body)
    try:
        with _connect(settings, parts, deadline) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(request)
            return _read(connection, method, deadline)
    except TimeoutError:
        raise Outage(f"no answer within {settings.timeout_seconds} seconds") from None
    except ssl.SSLCertVerificationError as problem:
        raise Outage(f"its certificate is not trusted: {problem.verify_message}") from None
    except ssl.SSLError as problem:
        raise Outage(f"no TLS with it: {problem.reason}") from None
    except (OSError, http.client.HTTPException) as problem:
        raise Outage(f"it cannot be reached: {type(problem).__name__}") from None


def _request(
    settings: RESTSettings, method: str, parts: SplitResult, body: dict[str, Any] | None
) -> bytes:
    headers = {
        "Host": parts.netloc,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "idp",
        "Connection": "close",
        **_authorization(settings),
    }
    content = b""
    if body is not None:
        content = json.dumps(body).encode()
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    lines = [f"{method} {parts.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _authorization(settings: RESTSettings) -> dict[str, str]:
    if token := secret_references.read(settings.token_file, settings.token_variable):
        return {"Authorization": f"Bearer {token}"}
    if password := secret_references.read(settings.password_file, settings.password_variable):
        pair = base64.b64encode(f"{settings.user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {}


def _connect(settings: RESTSettings, parts: SplitResult, deadline: float) -> socket.socket:
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connection = socket.create_connection((host, port), _left(deadline))
    if parts.scheme == "http":
        return connection
    try:
        connection.settimeout(_left(deadline))
        return _context(settings.ca_file).wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError:
        raise Outage(f"the file {ca_file} has no certificate of an authority") from None


def _read(connection: socket.socket, method: str, deadline: float) -> Answer:
    response = http.client.HTTPResponse(_Wire(connection, deadline), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        content = response.read(MAX_BODY_BYTES + 1)
    finally:
        response.close()
    if len(content) > MAX_BODY_BYTES:
        raise Outage(f"its answer is larger than {MAX_BODY_BYTES} bytes")
    is_json = response.headers.get_content_type() == "application/json"
    return Answer(response.status, _object(content) if is_json and content else None)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class _Wire(io.RawIOBase):
    """What comes in until the deadline: a timeout of the socket's own would begin anew with each
    byte, and a sick server may send one a second."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._bytes_left = MAX_BODY_BYTES + MAX_HEADER_BYTES

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self._bytes_left <= 0:
            raise Outage(f"its answer is larger than {MAX_BODY_BYTES} bytes")
        self._connection.settimeout(_left(self._deadline))
        count = self._connection.recv_into(buffer, min(len(buffer), self._bytes_left))
        self._bytes_left -= count
        return count


def _left(deadline: float) -> float:
    """The seconds until the deadline. Raises TimeoutError where it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
