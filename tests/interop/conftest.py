"""openid-client under Node, installed once however many workers want it."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from idp.environment import PROJECT
from tests.needs import find

HERE = Path(__file__).parent
LOCK = PROJECT / "var" / "npm-ci.lock"
# A copy of the lock file that was installed from, so that a newer one is installed anew.
INSTALLED = HERE / "node_modules" / ".installed-from.json"
INSTALL_SECONDS = 300
STOP_SECONDS = 10


@pytest.fixture(scope="session")
def node() -> str:
    """The program that runs what npm has installed into this folder."""
    program, installer = find("node"), find("npm")
    if not program or not installer:
        pytest.skip("needs Node.js and npm (Debian packages nodejs and npm)")
    with locked(LOCK):
        if not INSTALLED.exists() or INSTALLED.read_text() != wanted().read_text():
            install(installer)
    return program


def wanted() -> Path:
    return HERE / "package-lock.json"


def install(installer: str) -> None:
    done = subprocess.run(
        [installer, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"npm ci failed:\n{done.stdout}{done.stderr}")
    shutil.copy(wanted(), INSTALLED)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class RelyingParty:
    """relying_party.mjs as a process that is asked and answers, one line of JSON each."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._process = subprocess.Popen(
            [node, "relying_party.mjs"],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str, **parameters: object) -> Any:
        self._process.stdin.write(json.dumps({"command": command, **parameters}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the relying party is gone; its last words are above"
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def relying_party(node: str) -> Iterator[RelyingParty]:
    with RelyingParty(node) as process:
        yield process
