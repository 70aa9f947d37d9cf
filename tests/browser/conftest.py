"""Debian's Chromium, an application that it is sent back to, and a visitor who watches both."""

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlencode, urlsplit, urlunsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    sync_playwright,
)

from tests.interop import demo
from tests.interop.user_agent import Landing, origin
from tests.needs import find
from tests.servers import LiveIDP

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MILLISECONDS = 20_000
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
SCOPE = "email openid profile"

# Whoever types before the first frame is drawn has chosen a field; the page's choice is then void.
ALREADY_TYPING = (
    "Autofocus processing was blocked because a document already has a focused element."
)


# Not for the whole session: Playwright's event loop runs in this thread, and Django refuses to
# use its database in a thread with a running loop. The other tests of a worker come after it.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = find("chromium")
    if chromium is None:
        pytest.skip("needs chromium (Debian package chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


class Application(ThreadingHTTPServer):
    """Where the clients of the demo live: their loopback address, on a free port.

    Any path welcomes the user; a callback sends them on to `onward` where a test says so.
    """

    daemon_threads = True
    onward = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Welcome)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def other_origin(self) -> str:
        """Another site to a browser, though the same server answers."""
        return f"http://localhost:{self.server_port}"


class _Welcome(BaseHTTPRequestHandler):
    server: Application

    def do_GET(self) -> None:
        onward = self.server.onward if self.path.startswith("/callback") else ""
        body = b"<!DOCTYPE html><html lang=en><title>App</title><link rel=icon href=data:,>Welcome."
        self.send_response(303 if onward else 200)
        if onward:
            self.send_header("Location", onward)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="package")
def running_application() -> Iterator[Application]:
    with Application() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def application(running_application: Application) -> Iterator[Application]:
    yield running_application
    running_application.onward = ""


@dataclass
class Visit:
    """One authorization request: where it begins, and what its answer must repeat."""

    url: str
    redirect_uri: str
    state: str
    verifier: str


class Visitor:
    """A person at a browser of their own, who notices whatever a page does wrong."""

    def __init__(self, context: BrowserContext, issuer: str, application: Application) -> None:
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        self.context = context
        self.issuer = issuer
        self.application = application
        self.complaints: list[str] = []
        self.requested: list[str] = []
        context.on("console", self._hears)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._requests)
        self.page: Page = context.new_page()

    def _hears(self, message: ConsoleMessage) -> None:
        if message.text != ALREADY_TYPING:
            self.complaints.append(message.text)

    def _requests(self, request: Request) -> None:
        self.requested.append(request.url)

    def visit(self, client_id: str, /, **parameters: str) -> Visit:
        """An authorization request of that client, not yet opened."""
        client = demo.client(client_id)
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        digest = hashlib.sha256(verifier.encode()).digest()
        given = {
            "client_id": client_id,
            "redirect_uri": self.at_application(client.redirect_uri),
            "response_type": "code",
            "scope": SCOPE,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        } | parameters
        url = f"{self.issuer}/oauth2/authorize?{urlencode(given)}"
        return Visit(url, given["redirect_uri"], state, verifier)

    def at_application(self, registered: str) -> str:
        """A registered loopback address, on the port where this test's application listens."""
        return urlunsplit(
            urlsplit(registered)._replace(netloc=urlsplit(self.application.origin).netloc)
        )

    def open(self, client_id: str, /, **parameters: str) -> Visit:
        visit = self.visit(client_id, **parameters)
        self.page.goto(visit.url)
        return visit

    def sign_in(self, user: demo.User, *, password: str | None = None) -> None:
        self.page.get_by_label("User name").fill(user.username)
        self.page.get_by_label("Password").fill(password or user.password)
        self.press("Sign in")

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    @property
    def heading(self) -> str:
        return self.page.get_by_role("heading", level=1).inner_text()

    @property
    def path(self) -> str:
        return urlsplit(self.page.url).path

    def landed(self, visit: Visit) -> dict[str, str]:
        """What the client was told, once its redirect URI is reached."""
        self.page.wait_for_url(f"{visit.redirect_uri}?**")
        landing = Landing.at(self.page.url)
        assert landing.url == visit.redirect_uri
        return landing.parameters

    def landed_with_code(self, visit: Visit) -> str:
        """The code, in an answer that holds nothing but what it should."""
        answer = self.landed(visit)
        assert answer == {"code": answer["code"], "state": visit.state, "iss": self.issuer}
        return answer["code"]

    def expect_complaints(self, *texts: str) -> None:
        assert self.complaints == list(texts)
        self.complaints.clear()

    def leave(self) -> None:
        """Nothing was complained about, and nobody else was asked for anything."""
        self.context.close()
        assert self.complaints == []
        known = {self.issuer, self.application.origin, self.application.other_origin}
        strangers = [url for url in self.requested if origin(url) not in known]
        assert [url for url in strangers if not url.startswith("data:")] == []


@pytest.fixture
def invite(
    browser: Browser, live_idp: LiveIDP, application: Application
) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; settings are those of a Playwright context."""
    visitors: list[Visitor] = []

    def make(**settings: object) -> Visitor:
        context = browser.new_context(**{"locale": "en-GB", "viewport": DESKTOP} | settings)
        visitors.append(Visitor(context, live_idp.public_url, application))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.leave()


@pytest.fixture
def visitor(invite: Callable[..., Visitor]) -> Visitor:
    return invite()
