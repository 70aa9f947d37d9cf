"""The release before this one runs on the database of this one, and keys are tied to neither.

The incident that must never happen here began so: certificates and release were changed together,
and the old release could not work with the new certificates.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from idp.environment import PROJECT
from tests.first_party import GATEWAY
from tests.servers import LiveIDP, new_database
from tests.test_key_rotation_under_load import BATCH, EXCHANGE, keys

# How long any release keeps what it has read of the keys, and then some.
LAG_SECONDS = 15


def git(*arguments: str) -> str | None:
    """What git says; None where it refuses."""
    done = subprocess.run(
        ["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The application as it was committed before the last commit.

    A shallow clone has no such commit: then it is the last one, which is still another release
    than the files here wherever something is changed.
    """
    folder = tmp_path_factory.mktemp("previous-release")
    for name in ("HEAD~1", "HEAD"):
        if commit := git("log", "-n", "1", "--format=%H", name, "--"):
            archive = folder / "release.tar"
            assert git("archive", "--output", str(archive), commit) is not None
            subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
            archive.unlink()
            return folder
    pytest.skip("there is no git history here")


class PreviousIDP(LiveIDP):
    """The same, from the files of the previous release and with the variables that it knows."""

    def __init__(self, project: Path, database_url: str, **options: Any) -> None:
        super().__init__(database_url, **options)
        self.project = project
        ours = {
            name: self.environment[name]
            for name in ("IDP_DATABASE_URL", "IDP_PUBLIC_URL", "IDP_BIND", "IDP_WORKERS",
                         "IDP_THREADS")
        }  # fmt: skip
        script = (
            "import json, sys; from tests.environment import variables; "
            "print(json.dumps(variables(*sys.argv[1:])))"
        )
        without = {k: v for k, v in self.environment.items() if not k.startswith("IDP_")}
        theirs = subprocess.run(
            [sys.executable, "-c", script, database_url, os.environ["IDP_BROKER_URL"]],
            cwd=project,
            env=without,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        self.environment = without | json.loads(theirs) | ours

    def manage(self, *arguments: str, text: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.project,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def before(previous: Path, request: pytest.FixtureRequest) -> Iterator[PreviousIDP]:
    """The previous release, not started, on a database that it has made itself."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    server = PreviousIDP(previous, new_database(f"previous_{worker}"))
    server.manage("migrate", "--verbosity", "0")
    server.manage("config", "apply", str(previous / "docs" / "demo.yaml"))
    yield server
    server.stop()


@pytest.fixture
def now(before: PreviousIDP) -> Iterator[LiveIDP]:
    """This release, not started, on that database."""
    server = LiveIDP(before.environment["IDP_DATABASE_URL"], public_url=before.public_url)
    yield server
    server.stop()


def ask(server: LiveIDP, auth: tuple[str, str], form: dict[str, str]) -> dict[str, Any]:
    answer = requests.post(
        f"{server.url}/oauth2/token",
        data=form,
        auth=auth,
        headers={"Host": server.public_url.removeprefix("http://")},
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def new_jwt(server: LiveIDP) -> str:
    """A gateway JWT, by an access token of its own."""
    token = ask(server, BATCH, {"grant_type": "client_credentials"})["access_token"]
    return ask(server, GATEWAY, EXCHANGE | {"subject_token": token})["access_token"]


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def verify(token: str, *servers: LiveIDP) -> None:
    """As a service would that has fetched the JWKS of any of these."""
    for server in servers:
        host = server.public_url.removeprefix("http://")
        url = f"{server.url}/.well-known/jwks.json"
        published = requests.get(url, headers={"Host": host}, timeout=20).json()["keys"]
        key = jwt.PyJWK(next(key for key in published if key["kid"] == kid_of(token)))
        claims = jwt.decode(token, key, audience="services")
        assert claims["iss"] == server.public_url


def wait_for(server: LiveIDP, kid: str) -> str:
    """A JWT that this server has signed with this key, as soon as it does."""
    deadline = time.monotonic() + 2 * LAG_SECONDS
    while kid_of(token := new_jwt(server)) != kid:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return token


def test_both_releases_sign_and_verify_side_by_side_whoever_changes_the_keys(
    before: PreviousIDP, now: LiveIDP
) -> None:
    before.start()
    first = new_jwt(before)
    verify(first, before)

    # The release changes, the keys do not: what the old one made is what the new one uses.
    now.manage("migrate", "--verbosity", "0")
    now.start()
    assert kid_of(new_jwt(now)) == kid_of(first)
    verify(first, before, now)

    # The keys change, while both releases run.
    rotated = keys(now, "rotate", "--algorithm", "ES256", "--force")
    for server in (before, now):
        verify(wait_for(server, rotated), before, now)
    verify(first, before, now)

    # The release goes back and the keys stay; then the keys go back, too.
    now.stop()
    before.stop()
    before.start()
    token = new_jwt(before)
    assert kid_of(token) == rotated
    verify(token, before)
    verify(first, before)
    assert keys(now, "rollback", "--algorithm", "ES256") == kid_of(first)
    back = wait_for(before, kid_of(first))
    for each in (first, token, back):
        verify(each, before)
