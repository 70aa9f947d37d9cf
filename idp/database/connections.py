"""Connections that are no request's: for the fast lane's threads, and for the one that listens."""

from typing import Any

import psycopg
from django.db import connection


def connect(name: str, **options: Any) -> psycopg.Connection[Any]:
    """A new connection to the database that Django uses; each statement is its own transaction.

    `name` is what operators see in pg_stat_activity. Raises psycopg.OperationalError.
    """
    parameters = connection.get_connection_params()
    for of_django in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(of_django, None)
    # A server that vanished without a word is noticed in seconds, not by TCP's quarter of an hour.
    parameters |= {
        "application_name": name,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    given = parameters.get("options") or ""
    parameters["options"] = f"{given} -c timezone=UTC -c datestyle=ISO".strip()
    return psycopg.connect(**parameters, autocommit=True, **options)
