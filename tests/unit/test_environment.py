"""Settings from the environment: what is accepted, and the one line for what is not."""

import base64
import os
import subprocess
import sys

import pytest

from idp.environment import (
    PROJECT,
    BadEnvironment,
    BindAddress,
    Environment,
    TokenKey,
    environment,
    environment_or_exit,
    variable,
)
from tests.environment import variables

KEY_ONE = base64.urlsafe_b64encode(b"1" * 32).decode().rstrip("=")
KEY_TWO = base64.urlsafe_b64encode(b"\xff" * 32).decode()
DATABASE = "postgresql://idp:geheim@db.example.org:5432/idp"


@pytest.fixture(autouse=True)
def only_these_variables(monkeypatch):
    for name in [name for name in os.environ if name.startswith("IDP_")]:
        monkeypatch.delenv(name)
    for name, value in variables(DATABASE, "redis://localhost/0").items():
        if name.startswith("IDP_"):
            monkeypatch.setenv(name, value)
    # The uncached function: the settings of this very run must stay what they are.
    monkeypatch.setattr("idp.environment.environment", environment.__wrapped__)


def read(monkeypatch, **changes: str | None) -> Environment:
    for field_name, value in changes.items():
        if value is None:
            monkeypatch.delenv(variable(field_name), raising=False)
        else:
            monkeypatch.setenv(variable(field_name), value)
    return environment.__wrapped__()


def problem(monkeypatch, **changes: str | None) -> str:
    with pytest.raises(BadEnvironment) as caught:
        read(monkeypatch, **changes)
    return str(caught.value)


def test_an_unknown_variable_is_refused_with_the_name_that_was_meant(monkeypatch):
    assert (
        problem(monkeypatch, datbase_url="x")
        == "IDP_DATBASE_URL is not a setting: did you mean IDP_DATABASE_URL?"
    )


def test_every_problem_has_its_own_line(monkeypatch):
    lines = problem(monkeypatch, workers="many", bind="x", no_such_thing="1").splitlines()
    assert [line.split()[0] for line in lines] == ["IDP_NO_SUCH_THING", "IDP_BIND", "IDP_WORKERS"]


@pytest.mark.parametrize(
    "name", ["database_url", "broker_url", "public_url", "secret_keys", "token_keys"]
)
def test_a_missing_setting_is_named_with_its_meaning(monkeypatch, name):
    text = problem(monkeypatch, **{name: None})
    assert text.startswith(f"{variable(name)} is missing: ")
    assert "\n" not in text


@pytest.mark.parametrize("name", sorted(set(Environment.model_fields) - {"config"}))
def test_an_empty_value_is_refused_or_an_empty_list(monkeypatch, name):
    lists = {"trusted_proxies", "internal_networks", "admin_login_services", "notify_urls"}
    if name in lists | {"jwks_allowed_networks", "logout_allowed_networks", "hosts"}:
        assert getattr(read(monkeypatch, **{name: ""}), name) == ()
    else:
        assert problem(monkeypatch, **{name: ""}) == (
            f"{variable(name)} is empty: unset it or give it a value"
        )


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "public_url",
            "https://id.example.org/",
            "must not end with a slash (it is 'https://id.example.org/')",
        ),
        (
            "public_url",
            "https://id.example.org?x",
            "must have no query and no fragment (it is 'https://id.example.org?x')",
        ),
        (
            "public_url",
            "id.example.org",
            "must be an absolute URL such as https://id.example.org (it is 'id.example.org')",
        ),
        (
            "bind",
            "8000",
            "must be HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000 (it is '8000')",
        ),
        (
            "trusted_proxies",
            "10.0.0.1/8",
            "holds what is no network: 10.0.0.1/8 has host bits set (it is '10.0.0.1/8')",
        ),
        (
            "broker_url",
            "http://:geheim@x",
            "must begin with one of amqp, amqps, redis, redis+socket, rediss, sentinel and ://",
        ),
        (
            "database_url",
            "mysql://idp:geheim@x/y",
            "is not a URL such as postgresql://user:password@host:5432/name",
        ),
        (
            "database_url",
            "postgresql://idp:geheim@@h:x/y",
            "has a port that is no number",
        ),
        ("database_url", "postgresql://idp:geheim@x", "names no database (the path of the URL)"),
        (
            "notify_urls",
            "slack://a/b/c, geheim",
            "URL 2 does not begin with a scheme such as slack://",
        ),
        ("secret_keys", "geheim", "key 1 is shorter than 32 characters"),
        ("secret_keys", f"{'k' * 32},geheim", "key 2 is shorter than 32 characters"),
        ("token_keys", KEY_ONE, "key 1 must be written ID:KEY, with an ID from 0 to 255"),
        ("token_keys", f"256:{KEY_ONE}", "key 1 must be written ID:KEY, with an ID from 0 to 255"),
        ("token_keys", "1:geheim", "key 1 has 4 bytes instead of 32"),
        ("token_keys", "1:geh!eim", "key 1 is not base64url"),
        ("token_keys", f"1:{KEY_ONE},1:{KEY_TWO}", "gives the same ID to two keys"),
        ("token_keys", f"1:{KEY_ONE},2:{KEY_ONE}", "holds the same key twice"),
    ],
)
def test_a_bad_value_is_one_line_that_shows_no_secret(monkeypatch, name, value, line):
    text = problem(monkeypatch, **{name: value})
    assert text == f"{variable(name)} {line}"
    assert "geheim" not in text


def test_a_token_key_keeps_its_id_when_a_newer_one_is_put_in_front(monkeypatch):
    ring = read(monkeypatch, token_keys=f"2:{KEY_TWO},1:{KEY_ONE}").token_keys
    assert ring == (TokenKey(2, b"\xff" * 32), TokenKey(1, b"1" * 32))


def test_nothing_secret_is_in_the_text_of_the_settings(monkeypatch):
    text = repr(read(monkeypatch, token_keys=f"2:{KEY_TWO},1:{KEY_ONE}"))
    assert "geheim" not in text
    assert "only-for-tests" not in text
    assert repr(b"1" * 32) not in text


def test_lists_and_addresses_are_typed(monkeypatch):
    given = read(
        monkeypatch,
        trusted_proxies="10.0.0.0/8, fd00::/8",
        bind="[::1]:8443",
        admin_login_services="operators, corporate",
    )
    assert [str(network) for network in given.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert given.bind == BindAddress("::1", 8443)
    assert str(given.bind) == "[::1]:8443"
    assert given.admin_login_services == ("operators", "corporate")
    assert given.var_dir == PROJECT / "var"


@pytest.mark.parametrize(
    ("url", "host", "port", "options"),
    [
        (DATABASE, "db.example.org", "5432", {}),
        ("postgresql://idp@/idp?host=%2Frun%2Fpostgresql", "/run/postgresql", "", {}),
        (
            "postgresql://idp@one:5432,two:5433/idp?target_session_attrs=read-write",
            "one,two",
            "5432,5433",
            {"target_session_attrs": "read-write"},
        ),
    ],
)
def test_database_urls_become_djangos_settings(monkeypatch, url, host, port, options):
    parts = read(monkeypatch, database_url=url).database_settings
    assert (parts["NAME"], parts["USER"]) == ("idp", "idp")
    assert (parts["HOST"], parts["PORT"], parts["OPTIONS"]) == (host, port, options)


def test_production_wants_https_and_no_debug_pages(monkeypatch):
    production = {"environment": "production", "public_url": "http://id.example.org"}
    assert problem(monkeypatch, **production) == "IDP_PUBLIC_URL must be https in production"
    production["public_url"] = "https://id.example.org"
    assert read(monkeypatch, **production).environment == "production"
    assert problem(monkeypatch, **production, debug="yes") == (
        "IDP_DEBUG must be off in production"
    )


def test_an_entry_point_ends_with_2_and_the_line_on_stderr(monkeypatch, capsys):
    monkeypatch.setenv("IDP_WORKERS", "0")
    with pytest.raises(SystemExit) as ended:
        environment_or_exit()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "IDP_WORKERS is wrong: Input should be greater than or equal to 1 (it is '0')\n"
    )


def manage(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "manage.py"), *arguments]
    return subprocess.run(
        command, env={"PATH": os.defpath, **environ}, capture_output=True, text=True, check=False
    )


def test_settings_help_lists_every_setting_and_needs_none():
    done = manage("settings_help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in Environment.model_fields:
        assert f"  {variable(name)} " in done.stdout


def test_other_commands_say_what_is_missing_without_a_traceback():
    done = manage("check", IDP_SECRET_KEY="x" * 32)
    assert done.returncode == 2
    assert done.stderr.startswith("IDP_SECRET_KEY is not a setting: did you mean IDP_SECRET_KEYS?")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 587, "", "", "starttls")),
        ("smtp://mail.example.org/?tls=none", ("mail.example.org", 25, "", "", "none")),
        ("smtps://a:b@mail.example.org", ("mail.example.org", 465, "a", "b", "")),
        (
            "smtp://jane%40example.org:s%3Acret@[::1]:2525?tls=starttls",
            ("::1", 2525, "jane@example.org", "s:cret", "starttls"),
        ),
        ("console://", ("", 0, "", "", "")),
    ],
)
def test_a_mail_server_is_read_from_its_url(monkeypatch, url, expected):
    server = read(monkeypatch, mail_url=url, mail_from="no-reply@example.org").mail_server
    assert (server.host, server.port, server.username, server.password, server.tls) == expected
    assert "cret" not in repr(server)


def test_a_mailer_never_sends_in_clear_unless_told_so(monkeypatch):
    def flags(url: str) -> tuple[bool, bool]:
        options = read(monkeypatch, mail_url=url, mail_from="a@example.org").mailer["OPTIONS"]
        return options["use_tls"], options["use_ssl"]

    assert flags("smtp://mail.example.org") == (True, False)
    assert flags("smtps://mail.example.org") == (False, True)
    assert flags("smtp://mail.example.org?tls=none") == (False, False)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("mail.example.org", "must be smtp://HOST, smtps://HOST or console://"),
        ("smtp://", "must be smtp://HOST, smtps://HOST or console://"),
        ("smtp://a:geheim@host:x", "is not a URL such as smtp://user:password@host:587"),
        (
            "smtp://a:geheim@host/box",
            "may say nothing after host and port but ?tls=starttls or ?tls=none",
        ),
        (
            "smtp://a:geheim@host?tsl=none",
            "may say nothing after host and port but ?tls=starttls or ?tls=none",
        ),
        (
            "smtps://a:geheim@host?tls=none",
            "takes tls=starttls or tls=none with smtp://, and neither with smtps://",
        ),
        (
            "smtp://a:geheim@host?tls=yes",
            "takes tls=starttls or tls=none with smtp://, and neither with smtps://",
        ),
        ("smtp://geheim@host", "needs a user name and a password, or neither"),
        ("smtp://a:geheim@host?tls=none", "would send its password in clear: leave out tls=none"),
    ],
)
def test_a_wrong_mail_url_is_said_without_its_password(monkeypatch, url, line):
    assert problem(monkeypatch, mail_url=url) == f"IDP_MAIL_URL {line}"


def test_mail_that_is_sent_needs_a_sender(monkeypatch):
    assert problem(monkeypatch, mail_url="smtps://mail.example.org") == (
        "IDP_MAIL_FROM is missing: IDP_MAIL_URL sends mail, which needs it"
    )
    assert problem(monkeypatch, mail_from="Acme <a@example.org>").startswith(
        "IDP_MAIL_FROM must be a plain address such as no-reply@id.example.org"
    )
