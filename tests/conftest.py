"""What all tests share: real PostgreSQL and Valkey for the whole run, settings, a live server.

The servers belong to the process that was started first; xdist's workers inherit their URLs, and
pytest-django gives each worker its own database.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import psutil
import pytest
from django.db.backends.postgresql.operations import DatabaseOperations

from idp import tallies
from idp.database import changes
from idp.ops.embedded import EmbeddedPostgres, EmbeddedValkey
from tests import leaks
from tests.environment import variables
from tests.servers import LiveIDP, live_database_url

RUNS = Path(__file__).parent.parent / "var" / "test"

SERVERS = pytest.StashKey[list[EmbeddedPostgres | EmbeddedValkey]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fail-on-skip",
        action="store_true",
        help="fail when a test was skipped or expected to fail (CI)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Before pytest-django sets Django up, and before xdist starts its workers."""
    config.stash[SERVERS] = []
    # Tests change the database in transactions of which no listener hears.
    changes.listen = lambda: None
    # Nor are there tallies of a test that is over.
    tallies.start = lambda: None
    if hasattr(config, "workerinput"):
        keep_metrics_apart(config.workerinput["workerid"])
        return
    remove_abandoned_runs()
    run = RUNS / str(os.getpid())
    postgres = EmbeddedPostgres(run / "postgresql", durable=False)
    valkey = EmbeddedValkey(run / "valkey")
    given_database, given_broker = map(os.environ.get, ("IDP_DATABASE_URL", "IDP_BROKER_URL"))
    os.environ |= variables(given_database or postgres.url, given_broker or valkey.url)
    os.environ["IDP_VAR_DIR"] = str(run)
    for server, given in ((postgres, given_database), (valkey, given_broker)):
        if given is None and not config.option.collectonly:
            config.stash[SERVERS].append(server)
            server.start()
    # pytest-django looked for settings before there were any; with xdist its workers find them.
    django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    for server in config.stash[SERVERS]:
        server.destroy()
    if not hasattr(config, "workerinput"):
        shutil.rmtree(RUNS / str(os.getpid()), ignore_errors=True)


def keep_metrics_apart(worker: str) -> None:
    """A worker of xdist inherits the folder of all; no metric has opened a file there yet."""
    directory = Path(os.environ["IDP_VAR_DIR"]) / f"metrics-{worker}"
    directory.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def remove_abandoned_runs() -> None:
    """A run that was killed left its servers behind; others may be running at this moment."""
    for run in RUNS.glob("[0-9]*"):
        if psutil.pid_exists(int(run.name)):
            continue
        for server in (EmbeddedPostgres(run / "postgresql"), EmbeddedValkey(run / "valkey")):
            server.destroy()
        shutil.rmtree(run, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """No test leaves a secret in a table or a log; while its transaction is still open."""
    if item.get_closest_marker("plants_secrets"):
        return (yield)
    with leaks.none_allowed():
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    refuse_secrets_in_logs_of_servers(session)
    refuse_skips(session)


def refuse_secrets_in_logs_of_servers(session: pytest.Session) -> None:
    """Of PostgreSQL and Valkey, which all workers share; the process looks that started them."""
    logs = [
        log for server in session.config.stash[SERVERS] for log in server.directory.glob("*.log")
    ]
    found = list(leaks.in_files(logs))
    if found:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        for line in ["Secrets in the logs of servers:", *found[:20]] if reporter else []:
            reporter.write_line(line, red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def refuse_skips(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not session.config.getoption("fail_on_skip"):
        return
    missed = [report for kind in ("skipped", "xfailed") for report in reporter.stats.get(kind, [])]
    if missed and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{len(missed)} tests were skipped, which --fail-on-skip forbids")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def live_database(request: pytest.FixtureRequest) -> str:
    """URL of a migrated database with the demo configuration, for servers that tests talk to."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    return live_database_url(f"live_{worker}")


@pytest.fixture(scope="session")
def live_idp(live_database: str) -> Iterator[LiveIDP]:
    """The real application under Granian, shared by the tests of one worker."""
    with LiveIDP(live_database) as server:
        yield server


@pytest.fixture
def partition_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of partitions for one test alone: the real ones must not learn of what it makes in a
    transaction that is rolled back."""
    from idp.audit import record
    from idp.partitioning.partitions import PartitionList
    from tokens import cleanup, rows
    from tokens.identifiers import TOKEN_TABLES

    tokens, audit = PartitionList(TOKEN_TABLES), PartitionList([record.AUDIT_EVENTS])
    for module, name, fresh in (
        (rows, "known", tokens),
        (record, "known", audit),
        (cleanup, "known_of_audit", audit),
    ):
        monkeypatch.setattr(module, name, fresh)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Before the test database is made: its first signing keys are audited, and no test expects it.

    After a test that commits, Django truncates all tables and lets them be made again.
    """
    from django.apps import apps
    from django.db.models.signals import post_migrate

    post_migrate.connect(forget_what_was_audited, sender=apps.get_app_config("tokens"))


def forget_what_was_audited(**_: Any) -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        if "idp_auditevent" in connection.introspection.table_names(cursor):
            cursor.execute("SET LOCAL idp.rows_may_go = 'on'")
            cursor.execute("TRUNCATE idp_auditevent")


@pytest.fixture(scope="session", autouse=True)
def append_only_tables_are_emptied_between_tests() -> Iterator[None]:
    """After a test that commits, Django truncates all tables: also those that refuse it."""
    truncate = DatabaseOperations.sql_flush

    def sql_flush(*arguments: Any, **options: Any) -> list[str]:
        return ["SET LOCAL idp.rows_may_go = 'on'", *truncate(*arguments, **options)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        yield
