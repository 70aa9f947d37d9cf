"""A browser without a screen: pages, forms, cookies and redirects, over `requests`."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import cycle
from typing import Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

MAX_REDIRECTS = 10
TIMEOUT_SECONDS = 20


@dataclass
class Form:
    """A form as it came; `fields` is what it says unless the user changes it."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass
class Page:
    """What the user sees: the heading, the whole text, and the form if there is one."""

    url: str
    status: int
    language: str
    heading: str
    text: str
    forms: list[Form]

    @property
    def form(self) -> Form:
        assert len(self.forms) == 1, f"{len(self.forms)} forms on {self.url}: {self.text}"
        return self.forms[0]


@dataclass
class Landing:
    """Where the identity provider let the user go, with what it said to the client."""

    url: str
    parameters: dict[str, str]

    @classmethod
    def at(cls, location: str) -> Self:
        url, _, query = location.partition("?")
        parameters = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        assert len(dict(parameters)) == len(parameters), f"repeated parameters: {location}"
        return cls(url, dict(parameters))


class UserAgent:
    """Follows redirects within the issuer's origin; the first one out of it is a Landing."""

    def __init__(self, issuer: str, *, language: str = "en") -> None:
        self.issuer = issuer
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept-Language"] = language

    def reach(self, *server_urls: str) -> Self:
        """From here on these servers answer for the issuer, in turn."""
        self.session.mount(self.issuer, ServedBy(*server_urls))
        return self

    def open(self, url: str) -> Page | Landing:
        return self._follow("GET", url, None, {})

    def submit(self, page: Page | Landing, button: str, **fields: str) -> Page | Landing:
        """Presses the button with that text, after typing into the named fields."""
        assert isinstance(page, Page), f"already away: {page}"
        form = page.form
        assert button in form.buttons, f"no button {button!r} on {page.url}: {page.text}"
        assert set(fields) <= set(form.fields), f"no such fields on {page.url}: {form.fields}"
        name, value = form.buttons[button]
        data = form.fields | fields | ({name: value} if name else {})
        # What browsers send along with a form, and what the CSRF check looks at.
        headers = {"Origin": origin(page.url), "Referer": page.url}
        return self._follow(form.method.upper(), urljoin(page.url, form.action), data, headers)

    def sign_in(self, page: Page | Landing, username: str, password: str) -> Page | Landing:
        return self.submit(page, "Sign in", username=username, password=password)

    def _follow(
        self, method: str, url: str, data: dict[str, str] | None, headers: dict[str, str]
    ) -> Page | Landing:
        for _ in range(MAX_REDIRECTS):
            answer = self.session.request(
                method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=TIMEOUT_SECONDS,
            )
            if not answer.is_redirect:
                return read_page(url, answer)
            url = urljoin(url, answer.headers["Location"])
            if origin(url) != origin(self.issuer):
                return Landing.at(url)
            assert answer.status_code in {302, 303}, "a redirect that would repeat the password"
            method, data, headers = "GET", None, {}
        raise AssertionError(f"more than {MAX_REDIRECTS} redirects, the last one to {url}")


class ServedBy(HTTPAdapter):
    """A load balancer: requests to the issuer reach these servers, one after the other."""

    def __init__(self, *server_urls: str) -> None:
        super().__init__()
        self._next = cycle(server_urls)

    def send(
        self, request: requests.PreparedRequest, *args: object, **kwargs: object
    ) -> requests.Response:
        sent = request.copy()
        sent.headers["Host"] = urlsplit(request.url).netloc
        sent.url = request.url.replace(origin(request.url), next(self._next), 1)
        answer = super().send(sent, *args, **kwargs)
        answer.url, answer.request = request.url, request
        return answer


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def read_page(url: str, answer: requests.Response) -> Page:
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8", answer.text
    reader = _Reader()
    reader.feed(answer.text)
    reader.close()
    text = " ".join(" ".join(reader.text).split())
    heading = " ".join(" ".join(reader.heading).split())
    return Page(url, answer.status_code, reader.language, heading, text, reader.forms)


def _counts(field: dict[str, str]) -> bool:
    """Whether a form sends the field if the user does nothing."""
    return field.get("type") not in {"checkbox", "radio"} or "checked" in field


class _Reader(HTMLParser):
    """Reads language, first heading, text and forms out of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.language = ""
        self.heading: list[str] = []
        self.text: list[str] = []
        self.forms: list[Form] = []
        self._open: list[str] = []
        self._button: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        match tag:
            case "html":
                self.language = values.get("lang", "")
            case "form":
                self.forms.append(Form(values.get("action", ""), values.get("method", "get")))
            case "input" if self.forms and "name" in values and _counts(values):
                self.forms[-1].fields[values["name"]] = values.get("value", "")
            case "button" if self.forms:
                self._button = values.get("name", ""), values.get("value", "")
        if tag in {"h1", "head"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "button":
            self._button = None
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        if "head" in self._open or not data.strip():
            return
        self.text.append(data)
        if "h1" in self._open:
            self.heading.append(data)
        if self._button is not None:
            self.forms[-1].buttons[data.strip()] = self._button
