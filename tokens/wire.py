"""Reading a protocol request strictly, once, before anything else looks at it."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from tokens.errors import InvalidRequest, MethodNotAllowed, ProtocolError, TemporarilyUnavailable
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

type Parameters = dict[str, str]
type View = Callable[..., HttpResponseBase]


def read_form(request: HttpRequest) -> Parameters:
    """The parameters of a POST. Raises ProtocolError; nothing may come in the query string."""
    require_method(request, "POST")
    refuse_query(request)
    if request.content_type != FORM:
        raise InvalidRequest(f"The content type must be {FORM}.")
    try:
        body = request.read(MAX_BODY_BYTES + 1)
    except (UnreadablePostError, RequestDataTooBig):
        raise InvalidRequest("The body could not be read.") from None
    if len(body) > MAX_BODY_BYTES:
        raise InvalidRequest("The body is too large.")
    if len(body) < _announced_bytes(request):
        # The connection broke off: what is missing may be what narrows the request.
        raise InvalidRequest("The body is incomplete.")
    return parse(body)


def _announced_bytes(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def read_query(request: HttpRequest) -> Parameters:
    """The parameters of a GET. Raises ProtocolError; credentials may not come this way."""
    raw = request.META.get("QUERY_STRING", "").encode("latin-1", "replace")
    if len(raw) > MAX_QUERY_BYTES:
        raise InvalidRequest("The query string is too long.")
    parameters = parse(raw)
    _refuse_credentials(parameters)
    return parameters


def refuse_query(request: HttpRequest) -> None:
    """RFC 6749 section 2.3.1: credentials "MUST NOT be included in the request URI"."""
    if not request.META.get("QUERY_STRING"):
        return
    read_query(request)
    raise InvalidRequest("Parameters belong in the request body, not in the URL.")


def require_method(request: HttpRequest, *allowed: str) -> None:
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
        name, _, value = (_decode(part) for part in pair.partition(b"="))
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
        text = unquote_to_bytes(part.replace(b"+", b" ")).decode()
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


def endpoint(view: View) -> View:
    """Makes a view a protocol endpoint: its refusals are RFC JSON, its answers are never kept."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except ProtocolError as error:
            response = refusal(error)
        except NoSigningKeyError as error:
            # The ring has logged what is wrong; another instance may have what is missing here.
            description = "Nothing can be signed with this algorithm right now."
            response = refusal(TemporarilyUnavailable(description, reason=str(error)))
        response.headers.setdefault("Cache-Control", "no-store")
        if "no-store" in response["Cache-Control"]:
            response["Pragma"] = "no-cache"
        return response

    return csrf_exempt(answer)  # No cookie opens these endpoints.


def refusal(error: ProtocolError) -> HttpResponse:
    """RFC 6749 section 5.2: the error as JSON."""
    return HttpResponse(error.json, status=error.status_code, headers=error.headers)
