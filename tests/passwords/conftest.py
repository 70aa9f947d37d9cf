"""The worker beside the tests, and the mailbox of everybody."""

from collections.abc import Iterator

import pytest

from tests.mail_server import MailServer


@pytest.fixture(scope="package", autouse=True)
def tasks() -> None:
    from idp.celery import app

    app.loader.import_default_modules()


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple]]:
    """What is handed to the worker, which does nothing."""
    from idp import worker

    tasks: list[tuple[str, tuple]] = []

    def keep(task: str, arguments: tuple, **_: object) -> bool:
        tasks.append((task, arguments))
        return True

    monkeypatch.setattr(worker, "hand_over", keep)
    return tasks


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker does at once what it is handed; its retries follow at once."""
    from idp import worker
    from idp.celery import app

    def do(task: str, arguments: tuple, **_: object) -> bool:
        app.tasks[task].apply(args=arguments).get()
        return True

    monkeypatch.setattr(worker, "hand_over", do)


@pytest.fixture
def mail_server(settings) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.MAILERS = {
            "default": {
                "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
                "OPTIONS": {"host": "127.0.0.1", "port": server.port, "timeout": 5},
            }
        }
        yield server
