"""What beat starts, done by a real worker over the real broker."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from idp.celery import app
from idp.environment import PROJECT
from idp.partitioning.tables import first_id
from tests.servers import LiveIDP
from tokens.identifiers import ACCESS_TOKENS

PATIENCE_SECONDS = 60


# What is done because something has happened, and not because it is time.
SENT = {"idp.notify", "idp.password_asked", "idp.password_link", "idp.password_changed"}


def test_every_scheduled_task_exists_and_every_task_is_scheduled():
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if name.startswith(("idp.", "tokens."))}
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled == ours - SENT
    assert ours > SENT


@pytest.fixture
def worker(live_idp: LiveIDP):
    """A Celery worker on the live database, with a queue of its own."""
    queue = f"test-{live_idp.port}"
    command = [sys.executable, "-m", "celery", "-A", "idp", "worker", "-Q", queue, "-n", queue]
    process = subprocess.Popen(command, cwd=PROJECT, env=live_idp.environment)
    yield queue
    process.terminate()
    process.wait(30)


def test_a_worker_drops_the_partition_of_a_day_that_is_over(worker, live_idp):
    day = ACCESS_TOKENS.bucket_of(datetime.now(UTC) - timedelta(days=3))
    partition = ACCESS_TOKENS.partition(day)
    with psycopg.connect(live_idp.environment["IDP_DATABASE_URL"], autocommit=True) as database:
        database.execute(
            f"CREATE TABLE {partition} PARTITION OF {ACCESS_TOKENS.name} "
            f"FOR VALUES FROM ({first_id(day)}) TO ({first_id(day + 1)})"
        )
        database.execute(
            f"INSERT INTO {partition} (id, nonce, client_id, scope, issued_at, expires_at) "
            f"SELECT {first_id(day)} + n, n, 1, '*', now() - interval '4 days', "
            "now() - interval '3 days' FROM generate_series(1, 10000) n"
        )
        app.send_task("tokens.clean_up", queue=worker)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while exists(database, partition):
            assert time.monotonic() < deadline, "the worker has not dropped the partition"
            time.sleep(0.1)
        assert exists(database, ACCESS_TOKENS.partition(day + 3)), "today's stays"


def exists(database: psycopg.Connection, table: str) -> bool:
    return database.execute("SELECT to_regclass(%s)", [table]).fetchone()[0] is not None
