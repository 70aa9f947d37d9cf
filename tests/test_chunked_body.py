"""Bodies without a Content-Length, over the real server: read like all others, up to the limit."""

import base64
import json
import socket
from collections.abc import Iterable
from http.client import HTTPResponse

import pytest

from idp.ops.run import DEMO_CLIENT
from tests.servers import LiveIDP
from tokens.wire import MAX_BODY_BYTES

FORM = b"grant_type=client_credentials&scope=orders.read"
# Far less than a client would wait, far more than an answer takes.
SECONDS = 20

type Answer = tuple[int, bytes]


def head(path: str, *headers: str, method: str = "POST") -> bytes:
    """The head of a request to a protocol endpoint, after which the connection closes."""
    basic = base64.b64encode(DEMO_CLIENT.encode()).decode()
    lines = [
        *(f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Basic {basic}"),
        *("Content-Type: application/x-www-form-urlencoded", "Connection: close", *headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


CHUNKED = head("/oauth2/token", "Transfer-Encoding: chunked")


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


LAST_CHUNK = b"0\r\n\r\n"


def send(server: LiveIDP, parts: Iterable[bytes], *, hang_up: bool = False) -> Answer | None:
    """Writes the parts one by one and reads the answer; None where the server just hung up.

    `hang_up` ends our side of the connection, as somebody does whose network has gone.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        response = HTTPResponse(connection)
        try:
            for part in parts:
                connection.sendall(part)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # It has answered before it had read everything.
        try:
            response.begin()
            return response.status, response.read()
        except ConnectionError:  # RemoteDisconnected is one of them.
            return None


def error(answer: Answer | None) -> tuple[int, str]:
    assert answer is not None
    return answer[0], json.loads(answer[1])["error"]


@pytest.mark.parametrize(
    "parts",
    [
        [chunk(FORM) + LAST_CHUNK],
        [chunk(FORM), LAST_CHUNK],
        [chunk(bytes([byte])) for byte in FORM] + [LAST_CHUNK],
        [chunk(FORM, b";name=value") + b"0\r\nTrailer: ignored\r\n\r\n"],
        [b"0" * 12 + chunk(FORM) + LAST_CHUNK],
    ],
    ids=["at once", "in two", "byte by byte", "extension and trailer", "leading zeros"],
)
def test_a_chunked_body_is_read_like_one_with_a_length(live_idp, parts):
    with_length = send(live_idp, [head("/oauth2/token", f"Content-Length: {len(FORM)}"), FORM])
    chunked = send(live_idp, [CHUNKED, *parts])
    bodies = [json.loads(answer[1]) for answer in (with_length, chunked)]
    assert [answer[0] for answer in (with_length, chunked)] == [200, 200]
    for body in bodies:
        assert body.pop("access_token").startswith("at_")
    assert bodies[0] == bodies[1]
    assert bodies[0]["scope"] == "orders.read"


def test_an_empty_chunked_body_is_an_empty_body(live_idp):
    answer = send(live_idp, [CHUNKED, LAST_CHUNK])
    assert error(answer) == (400, "invalid_request")


@pytest.mark.parametrize(
    "size", [MAX_BODY_BYTES + 1, 1024 * 1024, 1024 * 1024 + 1, 8 * 1024 * 1024]
)
def test_a_chunked_body_over_the_limit_is_refused(live_idp, size):
    padding = b"&padding=" + b"a" * size
    pieces = [padding[start : start + 60_000] for start in range(0, len(padding), 60_000)]
    answer = send(live_idp, [CHUNKED, chunk(FORM), *map(chunk, pieces), LAST_CHUNK])
    assert error(answer) == (400, "invalid_request")
    assert json.loads(answer[1])["error_description"] == "The body is too large."


def test_a_chunked_body_may_fill_the_limit(live_idp):
    """Over the limit of one value, but not over that of the body."""
    padding = b"".join(b"&p%d=%s" % (number, b"a" * 16_000) for number in range(4))
    answer = send(live_idp, [CHUNKED, chunk(FORM + padding), LAST_CHUNK])
    assert answer[0] == 200


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"2f\r\n"],
        [b"2f\r\ngrant_type=client"],
        [chunk(FORM)],
        [chunk(FORM), b"0\r\n"],
        [chunk(FORM), b"ffff\r\n&more"],
    ],
    ids=[
        "nothing",
        "size only",
        "half a chunk",
        "no last chunk",
        "no last line",
        "half the second",
    ],
)
def test_a_chunked_body_that_breaks_off_neither_hangs_nor_fails(live_idp, parts):
    """Granian ends a broken body like a whole one, so what has come is what is judged.

    Whoever broke it off does not hear the answer; a Content-Length would tell (see below).
    """
    answer = send(live_idp, [CHUNKED, *parts], hang_up=True)
    assert answer is None or answer[0] in {200, 400}


def test_a_body_shorter_than_its_length_is_refused(live_idp):
    head_with_length = head("/oauth2/token", f"Content-Length: {len(FORM) + 1}")
    answer = send(live_idp, [head_with_length, FORM], hang_up=True)
    assert answer is None or error(answer) == (400, "invalid_request")


@pytest.mark.parametrize(
    "parts",
    [
        [b"zz\r\n" + FORM + b"\r\n" + LAST_CHUNK],
        [b"-1\r\n" + FORM],
        [b"ffffffffffffffffff\r\n" + FORM],
        [b"2f" + b";x" * 20_000 + b"\r\n" + FORM + b"\r\n" + LAST_CHUNK],
    ],
    ids=["no number", "negative", "too large", "long extension"],
)
def test_a_chunk_of_no_size_grants_nothing(live_idp, parts):
    answer = send(live_idp, [CHUNKED, *parts])
    assert answer is None or answer[0] == 400


@pytest.mark.parametrize(
    "parts",
    [[chunk(FORM) + b"rubbish\r\n\r\n"], [chunk(FORM)[:-2] + b"XX" + LAST_CHUNK]],
    ids=["rubbish", "no line end"],
)
def test_what_follows_a_chunk_is_never_read_as_a_request(live_idp, parts):
    hidden = head("/healthz", method="GET")
    answer = send(live_idp, [CHUNKED, *parts, hidden])
    assert answer is None or answer[0] in {200, 400}
    assert answer is None or b'"status"' not in answer[1]


@pytest.mark.parametrize(
    "headers",
    [
        ["Transfer-Encoding: chunked", f"Content-Length: {len(FORM)}"],
        [f"Content-Length: {len(FORM)}", "Transfer-Encoding: chunked"],
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
    ],
)
def test_two_lengths_smuggle_nothing(live_idp, headers):
    """RFC 9112 section 6.1: a server "MAY reject" both, or go by Transfer-Encoding "alone"."""
    hidden = head("/healthz", method="GET")
    answer = send(
        live_idp, [head("/oauth2/token", *headers), chunk(FORM), LAST_CHUNK, hidden], hang_up=True
    )
    assert answer is None or answer[0] in {200, 400}
    assert answer is None or b'"status"' not in answer[1]


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked", "identity", "chunkedX"])
def test_other_transfer_codings_grant_nothing(live_idp, coding):
    sent = [head("/oauth2/token", f"Transfer-Encoding: {coding}"), chunk(FORM), LAST_CHUNK]
    answer = send(live_idp, sent, hang_up=True)
    assert answer is None or answer[0] in {400, 501}


def test_the_sign_in_page_reads_a_chunked_form_up_to_the_limit(live_idp):
    """Without a CSRF token it is refused, as it would be with a length."""
    for parts in ([chunk(b"username=jane&password=x"), LAST_CHUNK], [chunk(b"a" * 60_000)] * 40):
        answer = send(
            live_idp, [head("/sign-in", "Transfer-Encoding: chunked"), *parts], hang_up=True
        )
        assert answer is None or answer[0] in {400, 403}


def test_the_server_still_answers_after_all_this(live_idp):
    assert send(live_idp, [head("/healthz", method="GET")]) == (200, b'{"status": "ok"}')
