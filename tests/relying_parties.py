"""Applications that are told of logouts: a real server on a loopback address."""

from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qs

import jwt
from django.test import Client as Browser

from tests.environment import PUBLIC_URL

CONTENT_TYPE = "application/x-www-form-urlencoded"


class LogoutEndpoint:
    """Takes logout tokens; answers with these statuses, the last one again and again."""

    def __init__(self, statuses: Sequence[int] = (200,)) -> None:
        self.statuses = list(statuses)
        self.tokens: list[str] = []
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == CONTENT_TYPE
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                assert list(form) == ["logout_token"]
                outer.tokens += form["logout_token"]
                outer.paths.append(self.path)
                rest = outer.statuses[1:]
                status, outer.statuses = outer.statuses[0], rest or outer.statuses
                self.send_response(status)
                self.send_header("Location", f"{outer.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/logout"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def heard(self, client_id: str = "shop") -> list[dict[str, Any]]:
        """What genuine logout tokens for this client have said since the last look."""
        tokens, self.tokens = self.tokens, []
        return [verified(token, client_id) for token in tokens]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def verified(token: str, client_id: str) -> dict[str, Any]:
    """As a relying party does: OpenID Connect Back-Channel Logout 1.0 section 2.6."""
    keys = jwt.PyJWKSet.from_dict(Browser().get("/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "logout+jwt"
    claims: dict[str, Any] = jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=[header["alg"]],
        audience=client_id,
        issuer=PUBLIC_URL,
        options={"require": ["iss", "aud", "iat", "exp", "jti", "events"]},
    )
    assert "nonce" not in claims
    return claims
