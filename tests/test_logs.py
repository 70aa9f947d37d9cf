"""Log lines: text for people or an object each for programs, and audit events among them."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest
import requests
from django.db import transaction

from clients_admin import secrets
from idp.audit.models import AuditEvent
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.environment import PROJECT
from idp.logs import JSONLine, TextLine
from tests.servers import LiveIDP

EVENT = {"id": "7", "tag": "tokens:code:replayed", "details": {"reason": "é"}}


def line_of(message: str, *values: Any, error: BaseException | None = None, **extra: Any) -> Any:
    """What a logger makes of a call."""
    about = error and (type(error), error, error.__traceback__)
    logger = logging.getLogger("idp.test")
    return logger.makeRecord(
        "idp.test", logging.WARNING, "f", 1, message, values, about, extra=extra
    )


def raised(text: str) -> ValueError:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


# --- Lines ---------------------------------------------------------------------------------------


def test_a_line_is_one_object():
    told = line_of("%s of %d\nlines é", "Two", 2)
    line = JSONLine().format(told)
    assert "\n" not in line
    assert line.isascii()
    said = json.loads(line)
    assert said.pop("time").endswith("Z")
    assert said == {
        "level": "WARNING",
        "logger": "idp.test",
        "message": "Two of 2\nlines é",
        "process": told.process,
    }


def test_an_exception_is_a_member_of_the_object():
    said = json.loads(JSONLine().format(line_of("It failed", error=raised("for a reason"))))
    assert said["message"] == "It failed"
    assert said["exception"].startswith("Traceback (most recent call last):")
    assert said["exception"].endswith("ValueError: for a reason")


def test_an_audit_event_stands_in_the_line():
    told = line_of("tokens:code:replayed", audit_event=EVENT)
    assert json.loads(JSONLine().format(told))["event"] == EVENT
    before, _, event = TextLine().format(told).partition("idp.test: tokens:code:replayed ")
    assert before.endswith("WARNING ")
    assert json.loads(event) == EVENT


@pytest.mark.parametrize("formatter", [TextLine(), JSONLine()])
def test_no_line_tells_a_token_or_a_client_secret(formatter):
    secret = secrets.generate()
    line = formatter.format(line_of("No %s", secret, error=raised(f"It was {secret}.")))
    assert secret not in line
    assert line.count("…") + line.count("\\u2026") == 2


# --- Audit events --------------------------------------------------------------------------------


@pytest.fixture
def heard(caplog, settings) -> pytest.LogCaptureFixture:
    settings.AUDIT_LOG = True
    caplog.set_level(logging.INFO, "idp.audit.journal")
    return caplog


def test_an_event_is_logged_when_its_transaction_has_committed(
    db, heard, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        record(Tag.TOKENS_CODE_REPLAYED, client_id="shop", address="192.0.2.1", user_id=7, n=1)
        assert heard.records == []
    (told,) = heard.records
    stored = AuditEvent.objects.get()
    assert told.audit_event == {
        "id": str(stored.pk),
        "at": f"{stored.at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "tag": "tokens:code:replayed",
        "actor": None,
        "client_id": "shop",
        "user_id": 7,
        "address": "192.0.2.1",
        "details": {"n": 1},
    }


def test_an_event_that_is_rolled_back_is_not_logged(transactional_db, heard):
    with transaction.atomic():
        record(Tag.TOKENS_CODE_REPLAYED)
        transaction.set_rollback(True)
    assert heard.records == []
    record(Tag.TOKENS_CODE_REPLAYED)
    assert [told.getMessage() for told in heard.records] == ["tokens:code:replayed"]


def test_without_the_setting_no_event_is_logged(transactional_db, heard, settings):
    settings.AUDIT_LOG = False
    record(Tag.TOKENS_CODE_REPLAYED)
    assert heard.records == []


# --- Processes -----------------------------------------------------------------------------------

JSON_LOG = {"IDP_LOG_FORMAT": "json", "IDP_AUDIT_LOG": "on", "IDP_LOG_LEVEL": "info"}


def test_all_lines_of_the_web_server_are_objects_and_its_events_among_them(live_database):
    with LiveIDP(live_database, **JSON_LOG) as server:
        answer = requests.get(f"{server.url}/oauth2/token?client_secret=x", timeout=10)
        assert answer.status_code == 400
        server.stop()
        said = [json.loads(line) for line in server.log_text().splitlines()]
    assert {"_granian", "idp.audit.journal"} <= {line["logger"] for line in said}
    (told,) = [line for line in said if "event" in line]
    assert told["message"] == told["event"]["tag"] == "clients:credential:exposed"
    assert len({line["process"] for line in said}) == 2


def test_all_lines_of_the_worker_are_objects(live_idp):
    queue = f"logs-{live_idp.port}"
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "idp", "worker", "-Q", queue]
    worker = subprocess.Popen(
        [*command, "-n", queue],
        cwd=PROJECT,
        env=live_idp.environment | JSON_LOG,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    said = []
    try:
        for line in worker.stdout:
            said.append(json.loads(line))
            if said[-1]["message"].endswith("ready."):
                break  # Its farewell is a line that Celery prints by itself.
    finally:
        worker.kill()
        worker.wait()
    assert {"celery.apps.worker"} <= {line["logger"] for line in said}


def test_answers_of_commands_are_not_mixed_with_log_lines(live_idp):
    write = "import logging; logging.getLogger('idp').warning('Careful'); print('the answer')"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", write],
        cwd=PROJECT,
        env=live_idp.environment | JSON_LOG,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "the answer\n"
    assert json.loads(done.stderr)["message"] == "Careful"
