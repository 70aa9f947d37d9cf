"""Blocking is off in all other tests; here it is on."""

from datetime import UTC, datetime

import pytest

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


@pytest.fixture
def blocking(settings, monkeypatch):
    """On, and what is counted goes with the test: not apart from its transaction."""
    from django.db import transaction

    from idp.blocking import attempts

    settings.BLOCKING = "on"
    monkeypatch.setattr(attempts, "apart", transaction.atomic)
    return settings


@pytest.fixture
def told(monkeypatch):
    """Titles of what the operators are told."""
    from idp import notifications

    titles: list[str] = []
    monkeypatch.setattr(notifications, "send", lambda title, _body="": titles.append(title))
    return titles
