"""The example of docs/examples as a process, and servers that break the contract in every way."""

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from idp.environment import PROJECT
from tests.issuers import tls_files
from tests.servers import free_port

EXAMPLE = PROJECT / "docs" / "examples" / "rest-login-service.py"
TOKEN = "the token of the login service"
PASSWORD = "correct horse battery staple"
READY_SECONDS = 20


def example() -> ModuleType:
    specification = importlib.util.spec_from_file_location("rest_login_service", EXAMPLE)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class RESTServer:
    """https on a free port, with a certificate of a private authority."""

    def __init__(self, *usernames: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="rest-"))
        self.port = free_port()
        self.authority, self._certificate = tls_files(self.directory, "127.0.0.1")
        self.token = self.directory / "token"
        self.token.write_text(TOKEN)
        self._users = self.directory / "users.json"
        hashed = example().hash_password(PASSWORD)
        self._users.write_text(json.dumps([_user(name, hashed) for name in usernames]))
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self, **settings: Any) -> dict[str, Any]:
        return {
            "url": f"https://127.0.0.1:{self.port}",
            "ca_file": str(self.authority),
            "token_file": str(self.token),
            "timeout_seconds": 2,
            **settings,
        }

    def start(self) -> Self:
        command = [sys.executable, str(EXAMPLE), str(self._users), "--port", str(self.port)]
        command += ["--token-file", str(self.token), "--certificate", str(self._certificate)]
        self._process = subprocess.Popen(command)
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The example server did not start")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def _user(name: str, hashed: str) -> dict[str, Any]:
    return {
        "external_id": f"id/{name} ?",  # As dear to a path as an id can be.
        "username": name,
        "password_hash": hashed,
        "claims": {"email": f"{name}@example.org"},
    }
