"""The servers from wheels: they keep their data, their URL and their privacy."""

import socket
import stat
from pathlib import Path

import psycopg
import pytest
import redis

from idp.ops.embedded import EmbeddedPostgres, EmbeddedServerError, EmbeddedValkey


@pytest.fixture
def postgres(tmp_path):
    server = EmbeddedPostgres(tmp_path / "postgresql", durable=False)
    server.start()
    yield server
    server.destroy()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_postgresql_keeps_data_and_url_over_a_stop(postgres, mode):
    url = postgres.url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    postgres.stop(mode)
    assert not postgres.running
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    postgres.start()
    assert postgres.url == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_postgresql_listens_on_no_port_and_lets_no_other_account_in(postgres):
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        sockets = connection.execute("SHOW unix_socket_directories").fetchone()
    assert stat.S_IMODE(Path(sockets[0]).stat().st_mode) == 0o700
    assert stat.S_IMODE(postgres.directory.stat().st_mode) == 0o700


def test_a_postgresql_left_behind_is_replaced(postgres):
    second = EmbeddedPostgres(postgres.directory, durable=False)
    second.start()
    assert second.running
    assert not postgres.running
    second.destroy()


def test_ensure_database_is_idempotent(postgres):
    assert postgres.ensure_database("other") == postgres.ensure_database("other")
    psycopg.connect(postgres.database_url("other")).close()


def test_a_cluster_that_cannot_start_is_one_line_that_names_the_log(postgres):
    postgres.stop()
    (postgres.directory / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedServerError, match=r"PostgreSQL ended while starting: .*\.log\)"):
        postgres.start()


def test_valkey_keeps_queues_over_a_stop(tmp_path):
    server = EmbeddedValkey(tmp_path / "valkey")
    server.start()
    try:
        path = server.url.removeprefix("redis+socket://")
        with redis.Redis(unix_socket_path=path) as client:
            client.rpush("queue", "task")
        server.stop()
        server.start()
        with redis.Redis(unix_socket_path=path) as client:
            assert client.lrange("queue", 0, -1) == [b"task"]
    finally:
        server.destroy()


def test_a_long_directory_gets_a_short_name_for_its_sockets(tmp_path):
    server = EmbeddedValkey(tmp_path / ("x" * 90))
    server.start()
    path = server.url.removeprefix("redis+socket://")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    server.destroy()
    assert not Path(path).parent.exists()


@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_a_server_that_a_killed_run_left_behind_is_destroyed_by_the_next(kind, tmp_path):
    abandoned = kind(tmp_path / "server")
    abandoned.start()
    kind(tmp_path / "server").destroy()
    assert not abandoned.running
    assert not (tmp_path / "server").exists()
