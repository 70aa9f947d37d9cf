"""Reading a protocol request strictly, once, before anything else looks at it."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.utils.csp import CSP
from django.views.decorators.csrf import csrf_exempt

from idp import net
from tokens.errors import InvalidRequest, MethodNotAllowed, ProtocolError, TemporarilyUnavailable
from tokens.kept_answers import Keepable
from tokens.keys.ring import NoSigningKeyError

MAX_BODY_BYTES = 64 * 1024
MAX_QUERY_BYTES = 16 * 1024
MAX_VALUE_CHARACTERS = 16 * 1024
MAX_PARAMETERS = 50
FORM = "application/x-www-form-urlencoded"

# RFC 8693 section 2.1 and RFC 8707 section 2 let these come more than once.
REPEATABLE = frozenset({"audience", "resource"})
CREDENTIALS = frozenset(
    {
        "access_token", "actor_token", "assertion", "client_assertion", "client_secret", "code",
        "code_verifier", "device_code", "password", "refresh_token", "subject_token", "token",
    }
)  # fmt: skip

# A browser that is led to such an address shows nothing of it, and nothing of ours in it.
CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'"

type Parameters = dict[str, str]
type View = Callable[..., HttpResponseBase]


class Call(NamedTuple):
    """A request of a protocol endpoint, by whichever door it came: Django's or the fast lane's.

    `meta` holds method, query and headers by their names in WSGI. `read` answers so many bytes of
    the body, or raises UnreadablePostError or RequestDataTooBig.
    """

    meta: Mapping[str, Any]
    method: str
    content_type: str
    read: Callable[[int], bytes]

    @classmethod
    def of(cls, request: HttpRequest) -> "Call":
        meta = request.META
        return cls(meta, meta["REQUEST_METHOD"], request.content_type or "", request.read)

    @property
    def path(self) -> str:
        return str(self.meta.get("PATH_INFO", ""))

    @property
    def query(self) -> str:
        return str(self.meta.get("QUERY_STRING", ""))

    def header(self, name: str) -> str:
        """A header by its name in WSGI, without HTTP_; empty where there is none."""
        return str(self.meta.get(f"HTTP_{name}", ""))

    @property
    def address(self) -> str:
        """The address that the request counts for; see `idp.net`."""
        return net.address_in(self.meta)

    @property
    def authorization(self) -> str:
        return str(self.meta.get("HTTP_AUTHORIZATION", ""))


@dataclass(slots=True)
class Answer:
    """What a protocol endpoint answers, through whichever door."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    keepable: Callable[[], Keepable] | None = None  # None: never said again.

    @classmethod
    def json(cls, body: Mapping[str, Any]) -> "Answer":
        return cls(json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    @classmethod
    def refusal(cls, error: ProtocolError) -> "Answer":
        """RFC 6749 section 5.2: the error as JSON."""
        return cls(error.json.encode(), int(error.status_code), error.headers)


def read_form(call: Call) -> Parameters:
    """The parameters of a POST. Raises ProtocolError; nothing may come in the query string."""
    require_method(call, "POST")
    refuse_query(call)
    if call.content_type != FORM:
        raise InvalidRequest(f"The content type must be {FORM}.")
    return parse(read_body(call))


def read_body(call: Call) -> bytes:
    """The whole body, and no more of it than anybody needs. Raises InvalidRequest."""
    try:
        body = call.read(MAX_BODY_BYTES + 1)
    except (UnreadablePostError, RequestDataTooBig):
        raise InvalidRequest("The body could not be read.") from None
    if len(body) > MAX_BODY_BYTES:
        raise InvalidRequest("The body is too large.")
    if len(body) < _announced_bytes(call):
        # The connection broke off: what is missing may be what narrows the request.
        raise InvalidRequest("The body is incomplete.")
    return body


def _announced_bytes(call: Call) -> int:
    try:
        return int(call.meta.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def read_query(call: Call) -> Parameters:
    """The parameters of a GET. Raises ProtocolError; credentials may not come this way."""
    raw = call.query.encode("latin-1", "replace")
    if len(raw) > MAX_QUERY_BYTES:
        raise InvalidRequest("The query string is too long.")
    parameters = parse(raw)
    _refuse_credentials(parameters)
    return parameters


def refuse_query(call: Call) -> None:
    """RFC 6749 section 2.3.1: credentials "MUST NOT be included in the request URI"."""
    if not call.query:
        return
    read_query(call)
    raise InvalidRequest("Parameters belong in the request body, not in the URL.")


def require_method(request: Call | HttpRequest, *allowed: str) -> None:
    if request.method not in allowed:
        raise MethodNotAllowed(*allowed)


def parse(raw: bytes) -> Parameters:
    """Decodes a form. RFC 6749 section 3.2: "parameters MUST NOT be included more than once" and
    "sent without a value MUST be treated as if they were omitted"."""
    parameters: Parameters = {}
    seen: set[str] = set()
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MAX_PARAMETERS:
        raise InvalidRequest("There are too many parameters.")
    for pair in pairs:
        raw_name, _, raw_value = pair.partition(b"=")
        name, value = _decode(raw_name), _decode(raw_value)
        if name in seen and name not in REPEATABLE:
            raise InvalidRequest(
                "A parameter is given more than once.", reason=f"repeated: {name!r}"
            )
        seen.add(name)
        if len(value) > MAX_VALUE_CHARACTERS:
            raise InvalidRequest("A parameter is too long.", reason=f"too long: {name!r}")
        if value:
            parameters[name] = f"{parameters[name]} {value}" if name in parameters else value
    return parameters


def parameters_of(request: Any) -> Parameters:
    """The body's parameters of an oauthlib request, which has no public way to ask for them."""
    return dict(request.decoded_body or ())


def _decode(part: bytes) -> str:
    try:
        part = part.replace(b"+", b" ")
        text = (unquote_to_bytes(part) if b"%" in part else part).decode()
    except UnicodeDecodeError:
        raise InvalidRequest("A parameter is not UTF-8.") from None
    if "\0" in text:
        raise InvalidRequest("A parameter holds a NUL character.")
    return text


def _refuse_credentials(names: Iterable[str]) -> None:
    if exposed := CREDENTIALS.intersection(names):
        raise InvalidRequest(
            "Credentials must not be sent in the URL.",
            reason=f"exposed: {', '.join(sorted(exposed))}",
        )


def answered(answer: Callable[[Call], Answer], call: Call) -> Answer:
    """What an endpoint answers, refusals included: RFC JSON that nobody keeps."""
    try:
        found = answer(call)
    except ProtocolError as error:
        found = Answer.refusal(error)
    except NoSigningKeyError as error:
        found = Answer.refusal(_unsigned(error))
    let_nobody_keep(found.headers)
    if found.status != HTTPStatus.NO_CONTENT:  # RFC 9110 section 8.6.
        found.headers["Content-Length"] = str(len(found.body))
    return found


def endpoint(answer: Callable[[Call], Answer]) -> View:
    """Makes a view of Django's of an endpoint that knows nothing of Django."""

    @wraps(answer)
    def view(request: HttpRequest) -> HttpResponse:
        found = answered(answer, Call.of(request))
        response = HttpResponse(found.body, status=found.status, headers=found.headers)
        if "Content-Type" not in found.headers:
            del response.headers["Content-Type"]
        return for_programs(response)

    view.answer = answer  # type: ignore[attr-defined]
    return csrf_exempt(view)  # No cookie opens these endpoints.


def django_endpoint(view: View) -> View:
    """The same for an endpoint that wants Django's request, or answers with Django's response."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except ProtocolError as error:
            response = refusal(error)
        except NoSigningKeyError as error:
            response = refusal(_unsigned(error))
        let_nobody_keep(response.headers)
        return for_programs(response)

    return csrf_exempt(answer)


def refusal(error: ProtocolError) -> HttpResponse:
    """RFC 6749 section 5.2: the error as JSON."""
    return HttpResponse(error.json, status=error.status_code, headers=error.headers)


def _unsigned(error: NoSigningKeyError) -> ProtocolError:
    # The ring has logged what is wrong; another instance may have what is missing here.
    description = "Nothing can be signed with this algorithm right now."
    return TemporarilyUnavailable(description, reason=str(error))


def let_nobody_keep(headers: Any) -> None:
    """RFC 6749 section 5.1, but for an endpoint that says something else itself."""
    headers.setdefault("Cache-Control", "no-store")
    if "no-store" in headers["Cache-Control"]:
        headers["Pragma"] = "no-cache"


def for_programs[Response: HttpResponseBase](response: Response) -> Response:
    response.headers.setdefault(CSP.HEADER_ENFORCE, CONTENT_SECURITY_POLICY)
    response.speaks_no_language = True  # type: ignore[attr-defined]
    return response
