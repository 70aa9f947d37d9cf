"""Whatever writes to the database has its event in the same transaction, or a reason here.

The places that write are found by reading the code (`writers`); each is driven (`drivers`) or
stands in `NOT_AUDITED`. A driver is made to fail by refusing its event, and must then have changed
nothing.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from django.contrib import admin
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client as Browser

from clients_admin.admin.base import OperatorModelAdmin
from idp.accounts.models import User
from idp.audit import changes
from idp.audit.models import AuditEvent
from idp.audit.tags import Tag
from tests.configuration import login_service
from tests.contracts.drivers import Driver, drivers
from tests.contracts.writers import ROOT, writers, writers_in

_ON_HOT_PATHS = "one row a token: the login that it stems from was told (decision 0015)"
_STATEMENT = "the statement alone; whoever sends it is listed"
_COUNTS = "counts attempts; the block that comes of them, and each refused password, is told"
_FORGETS = "rows that have expired, in jobs; what they were was told when they were made"
_NO_DATABASE = "no database"
_SESSION = "where somebody is on their way, in their browser's session; the end of it is told"

NOT_AUDITED = {
    "branding/models.py:Brand.save": "the row of whoever calls it, who records the change",
    "branding/models.py:BrandFile.keep": "nothing shows it until a brand names it",
    "clients_admin/roles.py:grant": "what a release defines of roles, after each migration",
    "clients_admin/secrets.py:use": "when a secret was last used, and its hash under a new key",
    "idp/accounts/browser_sessions.py:note_use": "when a session was used last",
    "idp/accounts/local.py:check.rehash": "the same password under a better hash",
    "idp/audit/record.py:record": "the event itself",
    "idp/blocking/attempts.py:begin": _COUNTS,
    "idp/blocking/attempts.py:failed": _COUNTS,
    "idp/celery.py:the module": _NO_DATABASE,
    "idp/database/operations.py:tell_of_table": "a trigger, made by migrations",
    "idp/management/commands/audit.py:Command.write": _NO_DATABASE,
    "idp/ops/children.py:_copy_lines": _NO_DATABASE,
    "idp/ops/run.py:say": _NO_DATABASE,
    "idp/partitioning/partitions.py:_make": "moves rows into their partition, and changes none",
    "idp/partitioning/partitions.py:empty_default": _FORGETS,
    "idp/spent_assertions.py:spend": "that an assertion was used; what it was used for is told",
    "idp/tallies/__init__.py:_add": "numbers for the start page; what they count is told",
    "tokens/cleanup.py:delete": _FORGETS,
    "tokens/devices.py:begin": "a code that is worth nothing until its user has decided",
    "tokens/devices.py:note_poll": "when a device asked last",
    "tokens/devices.py:use": "with the tokens of the device, which are told",
    "tokens/pushed.py:push": "a request that is worth nothing until its user has decided",
    "tokens/pushed.py:take": "which browser came with it",
    "tokens/pushed.py:end": "with the answer to it; what is granted is told",
    "tokens/interaction/session.py:choose": "which account was meant, in the browser's session",
    "tokens/interaction/device.py:count_wrong_code": _COUNTS,
    "tokens/interaction/password_reset.py:follow_link": _SESSION,
    "tokens/interaction/password_reset.py:forgotten_page": _SESSION,
    "tokens/interaction/second_factor.py:set_up": _SESSION,
    "tokens/interaction/session.py:strengthen": "what a session is worth; the code is told",
    "tokens/interaction/session.py:wait_for_second_factor": _SESSION,
    "tokens/interaction/session.py:wait_no_longer": _SESSION,
    "tokens/issue.py:_may_share": _ON_HOT_PATHS,
    "tokens/issue.py:authorization_code": "worth nothing until it is exchanged, which is told",
    "tokens/issue.py:next_pair": _ON_HOT_PATHS,
    "tokens/issue.py:repeated_pair": _ON_HOT_PATHS,
    "tokens/logout_notices.py:_settle": "when it is tried again; what comes of it is told",
    "tokens/logout_notices.py:_take": "that it is being tried; what comes of it is told",
    "tokens/rotation.py:_sql": _ON_HOT_PATHS,
    "tokens/session_logins.py:begin": "with a code; worth nothing until it is exchanged",
    "tokens/rows.py:_insertion": _STATEMENT,
    "tokens/rows.py:made": _NO_DATABASE,
    "tokens/watermark.py:advance": "how far the job of the caps has come",
    "tokens/watermark.py:put_at": "how far the job of the caps has come",
}
# Counted apart from all transactions, and counted all the same where the event fails.
COUNTERS = frozenset({"idp_failedattempt"})

ALL = drivers(Path())
DRIVEN = {writer for driver in ALL for writer in driver.writers}


# --- The list -------------------------------------------------------------------------------------


def test_every_writer_is_driven_or_has_a_reason():
    found = writers()
    assert found - DRIVEN - set(NOT_AUDITED) == set(), "new writers: drive them, or say why not"
    assert (DRIVEN | set(NOT_AUDITED)) - found == set(), "these are gone, or have another name"
    assert DRIVEN & set(NOT_AUDITED) == set()


@pytest.mark.parametrize(
    "line",
    [
        "row.save()",
        "Model.objects.create(x=1)",
        "rows.filter(pk=1).update(x=1)",
        "rows.delete()",
        "rows.update(row, used_at=now)",
        "user.groups.add(editors)",
        "client.scopes.set(scopes)",
        "logout(request)",
        "request.session['x'] = 1",
        "del request.session['x']",
        "cursor.execute('UPDATE x SET y = 1')",
        "cursor.execute(f'DELETE FROM {table}')",
        "cursor.execute(f'INSERT INTO {table} VALUES (1)')",
        "cursor.execute('WITH a AS (UPDATE x t SET y = 1 RETURNING y) SELECT y FROM a')",
    ],
)
def test_what_writes_is_found(line):
    source = f"from django.contrib.auth import logout\nclass A:\n    def b(self):\n        {line}\n"
    assert writers_in(source, "a.py") == {"a.py:A.b"}


@pytest.mark.parametrize(
    "line", ["names.add('x')", "known.update(other)", "logout(request)", "'''DELETE FROM x'''"]
)
def test_what_does_not_write_is_not(line):
    assert writers_in(f"def b():\n    {line}\n", "a.py") == set()


def test_each_page_that_saves_is_audited_by_its_base(rf, db):
    """And its model has a tag; what not even a superuser can change there needs neither."""
    request = rf.get("/")
    request.user = User(login_service=login_service(), is_superuser=True, is_staff=True)
    saving = [
        page for page in admin.site._registry.values()
        if page.has_add_permission(request) or page.has_change_permission(request)
        or page.has_delete_permission(request)
    ]  # fmt: skip
    assert {page.model._meta.label for page in saving} == set(changes.TAGS)
    assert [page for page in saving if not isinstance(page, OperatorModelAdmin)] == []


def test_each_tag_is_written_by_somebody():
    sources = [
        file.read_text() for package in ("idp", "branding", "clients_admin", "tokens")
        for file in (ROOT / package).rglob("*.py") if file.name != "tags.py"
    ]  # fmt: skip
    unused = [tag.name for tag in Tag if not any(f"Tag.{tag.name}" in text for text in sources)]
    assert unused == []


# --- Driven ---------------------------------------------------------------------------------------


@pytest.fixture
def driver(request, transactional_db, settings, monkeypatch, tmp_path) -> Driver:
    settings.BLOCKING = "on"
    # An answer is looked at, also where Django would hand its exception to the test.
    monkeypatch.setattr(Browser, "store_exc_info", lambda *_arguments, **_named: None)
    return next(known for known in drivers(tmp_path) if known.name == request.param)


@pytest.mark.parametrize("driver", [known.name for known in ALL], indirect=True)
def test_a_change_has_its_events_and_does_not_happen_without_any_of_them(driver):
    change = driver.prepare()
    for tag in driver.tags:
        before = contents()
        with refused(tag):
            assert_outage(change)
        assert contents() == before, f"done without {tag}"
    newest = AuditEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    before = contents()
    with traced() as called:
        answer = change()
    assert not isinstance(answer, HttpResponse) or answer.status_code < 500
    told = set(AuditEvent.objects.filter(id__gt=newest).values_list("tag", flat=True))
    assert set(driver.tags) <= told
    assert set(driver.writers) <= called
    assert contents() != before or driver.name in {
        *("a wrong password", "a wrong code", "a passkey that is refused")
    }


def assert_outage(change: Any) -> None:
    """A 503 for whoever asks over HTTP; for others the error that says so."""
    try:
        answer = change()
    except OperationalError as error:
        assert "could not be written" in str(error)  # noqa: PT017 - or it is an answer
    else:
        assert isinstance(answer, HttpResponse), "the change went on"
        assert answer.status_code == 503


@contextmanager
def refused(tag: str) -> Iterator[None]:
    """The database refuses events with this tag."""
    run(
        "CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.tag = '{tag}' THEN RAISE EXCEPTION 'broken'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse_event BEFORE INSERT ON idp_auditevent "
        "FOR EACH ROW EXECUTE FUNCTION refuse_event()"
    )
    try:
        yield
    finally:
        run("DROP FUNCTION refuse_event() CASCADE")


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def contents() -> dict[str, str]:
    """A digest of each table, the audit and its partitions aside."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'idp_auditevent%'"
        )
        tables = {name for (name,) in cursor.fetchall()} - COUNTERS
        found = {}
        for table in sorted(tables):
            cursor.execute(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t")
            found[table] = cursor.fetchone()[0]
    return found


@contextmanager
def traced() -> Iterator[set[str]]:
    """The functions of ours that are called meanwhile, as `writers` names them."""
    called: set[str] = set()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(f"{ROOT}/"):
            name = frame.f_code.co_qualname.replace(".<locals>", "")
            called.add(f"{file.removeprefix(f'{ROOT}/')}:{name}")

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)
