"""A login service of the kind `rest`, in plain Python: the whole contract, and nothing else.

    python rest-login-service.py USERS.json --port 8081 --token-file /run/secrets/login-service \
        --certificate server.pem

USERS.json is a list of `{"external_id", "username", "password_hash", "claims"}`, where a hash is
`scrypt$SALT$DIGEST` in hexadecimal; `python rest-login-service.py --hash` makes one of a password
that it reads. Locks are kept in memory, which a real server would not do.

The contract is in docs/login-services.md.
"""

import argparse
import getpass
import hashlib
import hmac
import json
import secrets
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

MAX_BODY_BYTES = 16 * 1024


def hash_password(password: str, salt: bytes | None = None) -> str:
    salt = salt or secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
    return f"scrypt${salt.hex()}${digest.hex()}"


# An unknown user costs the same as a wrong password.
NOBODY = hash_password("")


class Users:
    def __init__(self, users: list[dict[str, Any]]) -> None:
        self.by_name = {user["username"].lower(): user for user in users}
        self.by_id = {user["external_id"]: user for user in users}
        self.locked: set[str] = set()

    def verify(self, username: str, password: str) -> tuple[int, dict[str, Any]]:
        user = self.by_name.get(username.lower())
        known = user["password_hash"] if user else NOBODY
        salt = bytes.fromhex(known.split("$")[1])
        is_right = hmac.compare_digest(hash_password(password, salt), known)
        if not user or not is_right:
            return 401, {"reason": "wrong user name or password"}
        return self.profile(user["external_id"])

    def profile(self, external_id: str) -> tuple[int, dict[str, Any]]:
        user = self.by_id.get(external_id)
        if user is None:
            return 404, {"reason": "unknown"}
        if external_id in self.locked:
            return 423, {"reason": "locked"}
        return 200, {key: user[key] for key in ("external_id", "username", "claims")}

    def lock(self, external_id: str) -> tuple[int, dict[str, Any]]:
        if external_id not in self.by_id:
            return 404, {"reason": "unknown"}
        self.locked.add(external_id)
        return 204, {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    users: Users
    token = ""

    def do_GET(self) -> None:
        match self.path.split("/"):
            case ["", "users", external_id] if self.is_allowed():
                self.answer(*self.users.profile(unquote(external_id)))
            case _:
                self.answer(404, {"reason": "no such address"})

    def do_POST(self) -> None:
        body = self.body()
        match self.path.split("/"):
            case _ if body is None:
                self.answer(400, {"reason": "the body must be a JSON object"})
            case ["", "verify"] if self.is_allowed():
                username, password = body.get("username"), body.get("password")
                if isinstance(username, str) and isinstance(password, str):
                    self.answer(*self.users.verify(username, password))
                else:
                    self.answer(400, {"reason": "username and password must be text"})
            case ["", "users", external_id, "lock"] if self.is_allowed():
                self.answer(*self.users.lock(unquote(external_id)))
            case _:
                self.answer(404, {"reason": "no such address"})

    def is_allowed(self) -> bool:
        # Not a 401, which would be said of the user: whoever has no token finds nothing here.
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode())

    def body(self) -> dict[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            return None
        try:
            found = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode() if status != 204 else b""  # noqa: PLR2004
        self.send_response(status)
        if content:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: paths have ids of users in them."""


def main() -> None:
    parser = argparse.ArgumentParser(description="A login service of the kind rest.")
    parser.add_argument("users", nargs="?", type=Path)
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--certificate", type=Path, help="PEM with key and certificate")
    parser.add_argument("--hash", action="store_true", help="hash a password and end")
    given = parser.parse_args()
    if given.hash:
        sys.stdout.write(f"{hash_password(getpass.getpass())}\n")
        return
    if not given.users or not given.token_file:
        parser.error("USERS.json and --token-file are needed")
    Handler.users = Users(json.loads(given.users.read_text()))
    Handler.token = given.token_file.read_text().strip()
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    if given.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    server.serve_forever()


if __name__ == "__main__":
    main()
