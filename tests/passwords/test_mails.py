"""What stands in a mail, how it travels, and that nobody waits for it or learns from it."""

import logging
import re
import time
from types import SimpleNamespace

import pytest
from django.core import mail
from django.core.mail import mailers
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from pydantic import SecretStr

from idp import worker
from idp.accounts import password_mails
from idp.accounts.models import LocalAccount
from idp.celery import app
from tests.configuration import account, brand, shop
from tests.login_services.timing import compare
from tests.mail_server import MailServer
from tests.passwords.journey import FORGOTTEN, ask_for_link, follow, link_in, set_new
from tests.servers import free_port
from tests.test_metrics import value

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]


@pytest.fixture(autouse=True)
def jane():
    shop()
    return account()


def ask(username="jane", client_id="shop", **headers):
    return Browser().post(
        FORGOTTEN, {"username": username}, query_params={"client_id": client_id}, headers=headers
    )


# --- What it says ---------------------------------------------------------------------------------


def test_a_mail_has_the_look_and_the_languages_of_the_brand(at_work):
    made = brand("globex")
    made.name, made.primary_color, made.languages = "Globex & Co", "#5b2a86", ["en", "de"]
    made.support_url = "https://globex.example/help"
    made.save()
    shop("globex-shop", brand=made)
    ask(client_id="globex-shop", **{"Accept-Language": "de-AT, nl;q=0.5"})
    (sent,) = mail.outbox
    html = sent.alternatives[0]
    assert sent.subject == "Neues Passwort festlegen \N{EN DASH} Globex & Co"
    assert sent.from_email == "Globex & Co <nobody@localhost>"
    assert sent.extra_headers == {"Auto-Submitted": "auto-generated"}
    assert "ein neues Passwort für den Benutzer jane angefordert" in sent.body
    assert "Der Link gilt einmal und 30 Minuten lang." in sent.body
    assert "https://globex.example/help" in sent.body
    assert html.mimetype == "text/html"
    assert '<html lang="de">' in html.content
    assert re.search(r"background:#5b2a86;\s*color:#ffffff", html.content)
    assert "Globex &amp; Co" in html.content
    assert link_in(sent)


def test_a_language_that_the_brand_does_not_speak_is_its_first(at_work):
    ask(**{"Accept-Language": "fr"})
    assert mail.outbox[0].subject == "Set a new password \N{EN DASH} Acme"


def test_a_client_without_a_brand_has_plain_mails(at_work):
    shop("plain", brand=None)
    ask(client_id="plain", **{"Accept-Language": "nl"})
    (sent,) = mail.outbox
    assert (sent.subject, sent.from_email) == ("Nieuw wachtwoord instellen", "nobody@localhost")


def test_nothing_that_somebody_is_called_becomes_a_header_or_markup(at_work, jane):
    hostile = "ja\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>"
    LocalAccount.objects.update(username=hostile)
    made = brand()
    made.name = 'Ac"me\r\nBcc: eve@example.org'
    made.save()
    ask(hostile)
    (sent,) = mail.outbox
    message = sent.message()
    assert sent.recipients() == ["jane@example.org"]
    assert message["Bcc"] is None
    assert set(message.keys()) == {
        *("Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID"),
        "Auto-Submitted",
    }
    assert "<script>" not in sent.alternatives[0].content


# --- How it travels -------------------------------------------------------------------------------


def test_it_arrives_at_a_real_mail_server(at_work, mail_server: MailServer):
    set_new(follow(link_of(mail_server)))
    first, second = mail_server.mails
    assert mail_server.recipients == ["jane@example.org"] * 2
    assert first["From"] == "Acme <nobody@localhost>"
    assert first["Subject"] == "Set a new password \N{EN DASH} Acme"
    assert second["Subject"] == "Your password was changed \N{EN DASH} Acme"
    assert [part.get_content_type() for part in first.iter_parts()] == ["text/plain", "text/html"]


def link_of(server: MailServer) -> str:
    """The link in the last mail, as whoever reads it as plain text finds it."""
    before = len(server.mails)
    assert ask().status_code == 200
    assert len(server.mails) == before + 1
    text = server.mails[-1].get_body(("plain",)).get_content()
    return re.search(r"http://127\.0\.0\.1:8000(/account/\S+)", text)[1]


def test_a_mail_server_that_is_busy_is_asked_again(
    at_work, mail_server, django_capture_on_commit_callbacks
):
    mail_server.answers = ["451 later", "451 later"]
    failed, sent = (value("idp_mails_total", outcome=name) for name in ("failed", "sent"))
    with django_capture_on_commit_callbacks(execute=True):
        link = link_of(mail_server)
    assert mail_server.connections == 3
    assert value("idp_mails_total", outcome="sent") == sent + 1
    assert value("idp_mails_total", outcome="failed") == failed + 2
    assert set_new(follow(link)).status_code == 200


def test_a_mailbox_that_does_not_exist_is_not_asked_again(
    at_work, mail_server, caplog, django_capture_on_commit_callbacks
):
    mail_server.answers = ["550 nobody here"]
    lost = value("idp_mails_total", outcome="lost")
    with django_capture_on_commit_callbacks(execute=True):
        assert ask().status_code == 200
    assert (mail_server.connections, mail_server.mails) == (1, [])
    assert value("idp_mails_total", outcome="lost") == lost + 1
    assert "jane@" not in caplog.text


def test_a_mail_server_that_is_away_is_given_up_at_last(
    at_work, settings, caplog, django_capture_on_commit_callbacks
):
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": free_port(), "timeout": 5},
        }
    }
    lost, failed = (value("idp_mails_total", outcome=name) for name in ("lost", "failed"))
    with django_capture_on_commit_callbacks(execute=True):
        assert ask().status_code == 200
    assert value("idp_mails_total", outcome="lost") == lost + 1
    assert value("idp_mails_total", outcome="failed") == failed + password_mails.MAX_RETRIES + 1
    assert "Mail given up (ConnectionRefusedError)" in caplog.text
    assert "jane" not in caplog.text


def test_pauses_double_and_end_before_the_message_does():
    pauses = [password_mails.retry_seconds(n) for n in range(password_mails.MAX_RETRIES)]
    assert pauses == [15, 30, 60, 120, 240, 480, 900]
    assert sum(pauses) < password_mails.EXPIRES_SECONDS


def test_without_a_mail_server_it_is_logged_that_there_was_a_mail(at_work, settings, caplog):
    settings.MAILERS = {"default": {"BACKEND": "idp.mail.LoggingBackend"}}
    ask()
    (said,) = [record.getMessage() for record in caplog.records if record.name == "idp.mail"]
    assert said == (
        "Mail 'Set a new password \N{EN DASH} Acme' to j\N{BULLET}\N{BULLET}\N{BULLET}@example.org "
        "is not sent: IDP_MAIL_URL is console://"
    )
    assert "/account/password/reset" not in caplog.text


def test_the_settings_make_a_mailer_that_django_knows():
    assert "default" in mailers


# --- What the page tells --------------------------------------------------------------------------


def without_token(answer) -> str:
    return re.sub(r'value="[A-Za-z0-9]{64}"', "", answer.content.decode())


def test_the_answer_says_nothing_about_who_has_an_account(at_work):
    LocalAccount.objects.filter(pk=account("inactive").pk).update(is_active=False)
    LocalAccount.objects.filter(pk=account("mailless").pk).update(claims={})
    answers = [ask(name) for name in ("jane", "nobody", "inactive", "mailless")]
    assert len(mail.outbox) == 1
    assert {answer.status_code for answer in answers} == {200}
    assert len({without_token(answer) for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


def test_the_same_work_is_done_for_whoever_it_is(handed):
    done = []
    for username in ("jane", "nobody"):
        with CaptureQueriesContext(connection) as queries:
            ask(username)
        done.append([query["sql"] for query in queries])
    assert done[0] == done[1]
    assert not any("localaccount" in statement for statement in done[0])
    assert [task for task, _ in handed] == ["idp.password_asked"] * 2
    compare("forgotten password", lambda: ask("jane"), lambda: ask("nobody"))


def test_nothing_secret_is_handed_over(handed):
    ask()
    password_mails.tell_of_change(LocalAccount.objects.get(), brand(), "en")
    jane = LocalAccount.objects.get()
    assert handed[0][1][1:] == ("jane", "shop", "acme", "en", "127.0.0.1")
    assert handed[1] == ("idp.password_changed", (str(jane.external_id), "acme", "en"))


def test_while_the_broker_is_away_the_page_says_that_no_mail_goes(monkeypatch, caplog):
    monkeypatch.setattr(worker, "_broker", worker._Broker())
    away = SimpleNamespace(broker_url=SecretStr("redis://:geheim@127.0.0.1:1/0"))
    monkeypatch.setattr(worker, "environment", lambda: away)
    answers = [ask(name) for name in ("jane", "nobody")]
    assert [answer.status_code for answer in answers] == [503, 503]
    begun = time.monotonic()
    assert "We cannot send mail right now" in ask().content.decode()
    assert time.monotonic() - begun < worker.BROKER_SECONDS
    assert "geheim" not in caplog.text
    assert [r.levelno for r in caplog.records if r.name == "idp.worker"] == [logging.ERROR] * 3


def test_whatever_is_typed_for_a_name_the_worker_bears_it():
    for name in ("", "\0", "\ud800", "x" * 100_000, "'; --", "ja\u202ene"):
        app.tasks["idp.password_asked"].apply(args=([1], name, "shop", "", "en", "")).get()
    assert mail.outbox == []


def test_a_new_password_needs_no_broker(at_work, monkeypatch):
    link = ask_for_link()
    monkeypatch.setattr(worker, "hand_over", lambda *_, **__: False)
    assert set_new(follow(link)).status_code == 200
