"""The search for secrets finds each of them in each place, so that it can fail."""

import ast
import logging
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from clients_admin import secrets as client_secrets
from idp.accounts.models import LoginService, User
from idp.audit.models import AUDIT_EVENTS
from idp.environment import PROJECT
from tests import leaks
from tests.configuration import PASSWORD, SECRET, login_service
from tests.conftest import SERVERS, refuse_secrets_in_logs_of_servers
from tests.secrets import CANARIES, found_in
from tests.servers import LiveIDP
from tokens.format import Prefix, TokenFormat
from tokens.keys.models import SigningKey

FORMAT = TokenFormat({1: b"k" * 32})
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJlLW9mLXRoaXM"
ISSUED = {
    **{prefix.value: FORMAT.write(prefix, 1 << 60, -1) for prefix in Prefix},
    "cs": client_secrets.generate(),
    "JWT": JWT,
}
ALL = {**ISSUED, "demo": "demo-batch-secret-not-for-production", "password": PASSWORD}
EACH = pytest.mark.parametrize("secret", ALL.values(), ids=ALL)

planting = pytest.mark.plants_secrets("to see them found")


# --- What is one -------------------------------------------------------------------------------


@EACH
def test_a_secret_is_found_wherever_it_stands(secret):
    for text in (secret, f"x={secret}&y", f'{{"a": "{secret}"}}', f"Bearer {secret}\n"):
        assert len(found_in(text)) == 1, text


@EACH
def test_what_is_told_of_it_does_not_repeat_it(secret):
    (told,) = found_in(f"before {secret}")
    assert secret not in told
    assert "before" in told


@pytest.mark.parametrize(
    "text",
    [
        "at_" + "a" * 43,
        "at_" + "a" * 45,
        "format_" + "a" * 44,
        "cs_" + "a" * 42,
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJhbGciOiJFUzI1NiJ9:1tAbCd:signature-of-a-session",
        "correct horse battery",
        "a" * 100_000,
    ],
)
def test_what_only_looks_like_one_is_not(text):
    assert found_in(text) == []


def test_every_password_and_secret_of_the_tests_is_registered():
    unknown = []
    for path in (PROJECT / "tests").rglob("*.py"):
        for node in ast.parse(path.read_text()).body if "bench" not in path.parts else []:
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
                continue
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if any(name.endswith(("PASSWORD", "SECRET")) for name in names):
                unknown += {node.value.value} - CANARIES
    assert unknown == []
    assert "jane-demo-password" in CANARIES


# --- Where it is found -------------------------------------------------------------------------


@planting
@EACH
def test_in_a_table(db, secret):
    with pytest.raises(leaks.LeakError, match="idp_loginservice: "), leaks.none_allowed():
        LoginService.objects.create(name="x", settings={"nested": [secret]})


@planting
def test_in_a_column_of_bytes(db):
    with pytest.raises(leaks.LeakError, match="tokens_signingkey: canary"), leaks.none_allowed():
        SigningKey.objects.create(
            kid="kid-1",
            algorithm="ES256",
            state="retired",
            retired_at=timezone.now(),
            public_jwk={},
            private_encrypted=SECRET.encode(),
        )


@planting
@EACH
def test_in_a_row_of_the_audit(db, secret):
    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {AUDIT_EVENTS.name} (id, at, tag, details)"
                " VALUES (1, now(), 'a:b:c', jsonb_build_object('said', %s::text))",
                [secret],
            )

    with pytest.raises(leaks.LeakError, match="idp_auditevent_default: "), leaks.none_allowed():
        write()


@planting
@pytest.mark.parametrize("padding", ["", "x" * 1000])
def test_in_a_browser_session(db, padding):
    """Packed in base64, and compressed where it is long."""
    session = SessionStore()
    session["kept"] = [padding, PASSWORD]
    with pytest.raises(leaks.LeakError, match="django_session, decoded: "), leaks.none_allowed():
        session.save()


@planting
def test_in_what_a_test_has_committed(transactional_db):
    with pytest.raises(leaks.LeakError, match="idp_user: canary"), leaks.none_allowed():
        User.objects.create(login_service=login_service(), external_id="1", username=PASSWORD)


@planting
@EACH
def test_in_a_log(secret):
    with pytest.raises(leaks.LeakError, match="log: "), leaks.none_allowed():
        logging.getLogger("idp.test").warning("Refused: %s", secret)


@planting
def test_in_an_exception_that_is_logged():
    def fail() -> None:
        try:
            raise ValueError(SECRET)
        except ValueError:
            logging.getLogger("idp.test").exception("It failed")

    with pytest.raises(leaks.LeakError, match="log: canary"), leaks.none_allowed():
        fail()


def test_a_test_that_keeps_its_secrets_is_left_alone(db, client: Browser):
    with leaks.none_allowed():
        LoginService.objects.create(name="x", settings={"password": "env:NAME"})
        logging.getLogger("idp.test").warning("Refused.")


def test_in_the_log_of_a_server_when_it_ends(live_database):
    server = LiveIDP(live_database)
    assert list(server.leaks()) == []
    server._log.write_text(f"a line\nwith {JWT}\n")
    with pytest.raises(leaks.LeakError, match="log of the web server: JWT"):
        server.__exit__()
    assert not server._log.exists()


def test_in_the_logs_of_the_servers_that_all_share(tmp_path, pytestconfig):
    (tmp_path / "postgresql.log").write_text(f"STATEMENT: SELECT '{SECRET}'")
    for servers, status in (([], 0), ([SimpleNamespace(directory=tmp_path)], 1)):
        plugins = SimpleNamespace(get_plugin=lambda _: None)
        config: Any = SimpleNamespace(stash={SERVERS: servers}, pluginmanager=plugins)
        session: Any = SimpleNamespace(config=config, exitstatus=0)
        refuse_secrets_in_logs_of_servers(session)
        assert session.exitstatus == status


def test_a_leak_fails_the_run_under_xdist(tmp_path):
    leaking = tmp_path / "test_leaking.py"
    leaking.write_text(
        f"import logging\n\n\ndef test_it():\n    logging.getLogger('idp').warning({PASSWORD!r})\n"
    )
    project = ["--rootdir", str(PROJECT), "-c", str(PROJECT / "pyproject.toml")]
    run = subprocess.run(
        [*(sys.executable, "-m", "pytest", "-n", "1"), *project, "-p", "tests.conftest", leaking],
        cwd=PROJECT,
        env=os.environ,  # with URLs of servers, so that it starts none
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert "LeakError: Secrets in clear:" in run.stdout
    assert "1 failed" in run.stdout
