"""A forgotten password, in a real browser, with a real worker and a real mail server."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from idp.environment import PROJECT
from tests.broker import own_broker
from tests.browser.conftest import Visitor
from tests.interop import demo
from tests.mail_server import MailServer
from tests.servers import LiveIDP

PATIENCE_SECONDS = 60
PATHS = ("/account/password/forgotten", "/account/password/reset")


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def live_idp(live_database: str, mail_server: MailServer) -> Iterator[LiveIDP]:
    """One of its own, with a worker that nobody else hands work to."""
    variables = {
        "IDP_BROKER_URL": own_broker(0),
        "IDP_MAIL_URL": f"smtp://127.0.0.1:{mail_server.port}?tls=none",
        "IDP_MAIL_FROM": "no-reply@id.example.org",
    }
    with LiveIDP(live_database, **variables) as server:
        command = [sys.executable, "-m", "celery", "-A", "idp", "worker"]
        worker = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=server.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield server
        finally:
            worker.terminate()
            worker.wait(30)


def mailed_link(server: MailServer, before: int) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(server.mails) <= before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    text = server.mails[before].get_body(("plain",)).get_content()
    return re.search(r"http://\S+/account/\S+", text)[0]


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_user_who_has_forgotten_it_sets_a_new_one_and_signs_in_with_that(
    invite: Callable[..., Visitor], mail_server: MailServer, scripts: bool
) -> None:
    visitor = invite(java_script_enabled=scripts)
    page, user = visitor.page, demo.user("acme-web")
    visit = visitor.open("acme-shop")
    query = urlsplit(page.url).query
    page.goto(f"{visitor.issuer}{PATHS[0]}?{query}")
    expect(page).to_have_title("Forgot your password? \N{EN DASH} Acme")
    before = len(mail_server.mails)
    page.get_by_label("User name").fill(user.username)
    visitor.press("Send the link")
    assert visitor.heading == "Look into your mailbox"

    page.goto(mailed_link(mail_server, before))
    assert visitor.path == PATHS[1]
    assert page.evaluate("document.referrer") == "" if scripts else True
    page.get_by_label("New password", exact=True).fill("short")
    page.get_by_label("New password again").fill("short")
    visitor.press("Set the new password")
    expect(page.get_by_role("alert")).to_contain_text("Use at least 10 characters.")
    visitor.complaints.clear()

    page.get_by_label("New password", exact=True).fill(user.password)
    page.get_by_label("New password again").fill(user.password)
    visitor.press("Set the new password")
    assert visitor.heading == "Your new password is set"
    page.get_by_role("link", name="Sign in").click()
    assert visitor.path == "/sign-in"
    visitor.sign_in(user)
    if visitor.path == "/consent":
        visitor.press("Allow")
    assert visitor.landed_with_code(visit)

    page.goto(f"{visitor.issuer}/account/password")
    assert visitor.heading == "Change your password"
    expect(page.get_by_role("main")).to_contain_text(f"for the user {user.username}")


def test_a_link_that_was_never_made_leads_to_a_page_that_says_so(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.issuer}{PATHS[1]}/made-up")
    assert visitor.heading == "This link no longer works"
    visitor.complaints.clear()
