"""A message reaches the operators' chat; a chat or broker that is down delays and fails nobody."""

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pydantic import SecretStr

from idp import notifications, worker
from idp.celery import app
from idp.environment import PROJECT
from tests.broker import own_broker
from tests.servers import free_port
from tests.test_metrics import value

TOKEN = "the-secret-of-the-chat"
PATIENCE_SECONDS = 60


class Chat:
    """A chat server on this machine, as `json://` of Apprise speaks to it."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.paths: list[str] = []
        self.answers: list[int] = []
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = chat.answers.pop(0) if chat.answers else 200
                if status == 200:
                    chat.messages.append((said["title"], said["message"]))
                chat.paths.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/{TOKEN}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def chat() -> Iterator[Chat]:
    made = Chat()
    yield made
    made.close()


@pytest.fixture
def chats(chat: Chat) -> Iterator[tuple[Chat, Chat]]:
    second = Chat()
    yield chat, second
    second.close()


@pytest.fixture(scope="module", autouse=True)
def tasks() -> None:
    """Celery sets Django up once more, logs included: not while a test looks at them."""
    app.loader.import_default_modules()


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> worker._Broker:
    """What this process has learnt of the broker is forgotten after the test."""
    fresh = worker._Broker()
    monkeypatch.setattr(worker, "_broker", fresh)
    return fresh


def configure(monkeypatch, *urls: str, broker_url: str = "") -> None:
    given = SimpleNamespace(
        notify_urls=tuple(map(SecretStr, urls)),
        broker_url=SecretStr(broker_url or os.environ["IDP_BROKER_URL"]),
    )
    for module in (notifications, worker):
        monkeypatch.setattr(module, "environment", lambda: given)


def notify(title: str = "A title", body: str = "A body") -> None:
    """The task in this process; its retries follow at once."""
    app.tasks["idp.notify"].apply(args=(title, body)).get()


# --- Delivered ------------------------------------------------------------------------------------


def test_it_reaches_every_url_as_plain_text(monkeypatch, chats):
    configure(monkeypatch, *(chat.url for chat in chats))
    before = value("idp_notifications_total", outcome="sent")
    notify("A key ends", "<b>in 7 days</b> & _not_ later")
    notify("Without a body", "")
    for chat in chats:
        assert chat.messages == [
            ("A key ends", "<b>in 7 days</b> & _not_ later"),
            ("Without a body", "Without a body"),
        ]
        assert chat.paths == [f"/{TOKEN}"] * 2
    assert value("idp_notifications_total", outcome="sent") == before + 4


def test_only_who_has_not_got_it_is_tried_again(monkeypatch, chats):
    first, second = chats
    second.answers = [500, 503]
    configure(monkeypatch, first.url, second.url)
    notify()
    assert (len(first.paths), len(second.paths)) == (1, 3)
    assert first.messages == second.messages == [("A title", "A body")]


def test_at_last_it_is_given_up_and_said_so(monkeypatch, chat, caplog):
    chat.answers = [500] * 99
    configure(monkeypatch, chat.url)
    lost, failed = (value("idp_notifications_total", outcome=name) for name in ("lost", "failed"))
    notify()
    attempts = notifications.MAX_RETRIES + 1
    assert (len(chat.paths), chat.messages) == (attempts, [])
    assert "Given up at URL 1 of IDP_NOTIFY_URLS: 'A title'" in caplog.text
    assert value("idp_notifications_total", outcome="lost") == lost + 1
    assert value("idp_notifications_total", outcome="failed") == failed + attempts


def test_pauses_double_and_are_bounded():
    pauses = [notifications.retry_seconds(n) for n in range(notifications.MAX_RETRIES)]
    assert pauses[:7] == [15, 30, 60, 120, 240, 480, 900]
    assert max(pauses) == 900
    assert 3600 < sum(pauses) < notifications.EXPIRES_SECONDS


def test_a_url_that_apprise_does_not_know_is_said_by_its_place(monkeypatch, chat, caplog):
    configure(monkeypatch, f"nonsense://{TOKEN}", chat.url, f"slack://{TOKEN}")
    notify()
    assert chat.messages == [("A title", "A body")]
    assert "Apprise knows no service for URL 1, 3" in caplog.text
    assert TOKEN not in caplog.text


def test_a_url_that_has_left_the_settings_is_not_tried_again(monkeypatch, chat):
    configure(monkeypatch, chat.url)
    gone = notifications.fingerprint("json://127.0.0.1/gone")
    assert notifications.deliver("A title", "", [gone]) == notifications.Outcome()
    assert chat.paths == []


def test_the_command_sends_at_once_and_says_who_has_it(monkeypatch, chat, capsys):
    configure(monkeypatch, chat.url)
    call_command("notify", "Hello")
    assert capsys.readouterr().out == "URL 1 has it.\n"
    chat.answers = [500]
    configure(monkeypatch, chat.url, f"nonsense://{TOKEN}")
    with pytest.raises(CommandError, match="Not everybody"):
        call_command("notify", "Hello")
    assert capsys.readouterr().out == (
        "URL 1 refused it or did not answer.\nURL 2 is of no service that Apprise knows.\n"
    )
    configure(monkeypatch)
    with pytest.raises(CommandError, match="IDP_NOTIFY_URLS is empty"):
        call_command("notify", "Hello")


# --- Sent -----------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    titles: list[str] = []
    monkeypatch.setattr(notifications, "_enqueue", lambda title, _body: titles.append(title))
    return titles


def test_outside_a_transaction_it_is_sent_at_once_and_needs_no_database(sent):
    # No database fixture: pytest-django would refuse a connection.
    notifications.send("Now")
    assert sent == ["Now"]


@pytest.mark.django_db(transaction=True)
def test_it_is_sent_after_the_commit_and_never_after_a_rollback(sent):
    with transaction.atomic():
        notifications.send("Later")
        assert sent == []
    assert sent == ["Later"]
    with transaction.atomic():
        notifications.send("Never")
        transaction.set_rollback(True)
    assert sent == ["Later"]


def test_without_urls_it_is_in_the_log_and_no_broker_is_asked(monkeypatch, caplog):
    configure(monkeypatch, broker_url="redis://127.0.0.1:1/0")
    notifications.send("A title\nand more", "A body")
    (record,) = caplog.records
    assert record.getMessage() == "Notification: 'A title\\nand more' 'A body'"


@pytest.mark.parametrize(
    "broker_url", ["redis://:geheim@127.0.0.1:1/0", "amqp://a:geheim@127.0.0.1:1//"]
)
def test_a_broker_that_is_down_fails_nobody_and_is_left_alone_for_a_while(
    monkeypatch, caplog, chat, broker_url
):
    configure(monkeypatch, chat.url, broker_url=broker_url)
    for _ in range(3):
        notifications.send("A title")
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said[0].startswith("Not sent, the broker is away (")
    assert said[1:] == ["Not sent, the broker was away a moment ago: 'A title'"] * 2
    assert "geheim" not in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_never_answers_delays_its_caller_by_seconds_at_most(
    monkeypatch, chat, scheme
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        configure(monkeypatch, chat.url, broker_url=f"{scheme}://127.0.0.1:{port}/0")
        begun = time.monotonic()
        notifications.send("A title")
        assert time.monotonic() - begun < 4 * worker.BROKER_SECONDS


def test_when_the_pause_is_over_the_broker_is_asked_again(monkeypatch, caplog, chat, broker):
    configure(monkeypatch, chat.url, broker_url="redis://127.0.0.1:1/0")
    notifications.send("A title")
    broker.shunned_until = time.monotonic()
    notifications.send("A title")
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [line.split(":")[0].split("(")[0] for line in said] == [
        "Not sent, the broker is away "
    ] * 2


# --- All of it ------------------------------------------------------------------------------------


def test_a_worker_delivers_what_another_process_sends_and_writes_no_url(tmp_path, chats):
    """The first chat works, the second is down. Their URLs stand in no line of any log."""
    first, second = chats
    second.close()
    environment = os.environ | {
        "IDP_NOTIFY_URLS": f"{first.url},{second.url}",
        "IDP_BROKER_URL": own_broker(2),
        "IDP_LOG_LEVEL": "debug",
        "IDP_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none?connect_timeout=1",
    }
    log = tmp_path / "log"
    send = "import django; django.setup(); from idp.notifications import send; send('Hi', 'there')"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "idp", "worker", "--loglevel", "debug"],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            subprocess.run(
                [sys.executable, "-c", send],
                cwd=PROJECT,
                env=environment,
                stdout=output,
                stderr=output,
                check=True,
            )
            deadline = time.monotonic() + PATIENCE_SECONDS
            while "Refused by URL 2" not in log.read_text():
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        finally:
            process.terminate()
            process.wait(30)
    assert first.messages == [("Hi", "there")]
    assert TOKEN not in log.read_text()
    assert "json://" not in log.read_text()
