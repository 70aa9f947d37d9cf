"""What all tests share: real PostgreSQL and Valkey for the whole run, settings, a live server.

The servers belong to the process that was started first; xdist's workers inherit their URLs, and
pytest-django gives each worker its own database.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import django
import psutil
import pytest

from idp.ops.embedded import EmbeddedPostgres, EmbeddedValkey
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
    if hasattr(config, "workerinput"):
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


def remove_abandoned_runs() -> None:
    """A run that was killed left its servers behind; others may be running at this moment."""
    for run in RUNS.glob("[0-9]*"):
        if psutil.pid_exists(int(run.name)):
            continue
        for server in (EmbeddedPostgres(run / "postgresql"), EmbeddedValkey(run / "valkey")):
            server.destroy()
        shutil.rmtree(run, ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
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
