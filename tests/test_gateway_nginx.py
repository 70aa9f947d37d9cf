"""A real nginx with the documented configuration, between applications and a service: out there
opaque tokens, in here JWTs."""

import base64
import http.client
import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import yaml

from idp.environment import PROJECT
from tests.needs import NGINX_JAVASCRIPT, find
from tests.servers import LiveIDP, free_port, live_database_url

EXAMPLES = PROJECT / "docs" / "examples"
READY_SECONDS = 20
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
SECRET = "a-secret-for-tests-of-more-than-32-characters"
SHORT_SECONDS = 4

WRAPPER = """
load_module {module};
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/gateway.conf;
}}
"""


# --- The service, the gateway, the IDP -----------------------------------------------------------


class Service:
    """What stands behind the gateway: says which headers it saw, and verifies the JWT among them as
    any service should."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self.issuer = ""
        self.jwks: dict[str, Any] = {}
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                assert len(headers) == len(self.headers)
                service.seen.append(headers | {":path": self.path})
                status, body = service.answer(headers.get("authorization", ""))
                encoded = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, authorization: str) -> tuple[int, dict[str, Any]]:
        encoded = authorization.removeprefix("Bearer ")
        keys = jwt.PyJWKSet.from_dict(self.jwks)
        try:
            header = jwt.get_unverified_header(encoded)
            if header["typ"] != "at+jwt":
                raise jwt.InvalidTokenError("no access token")
            claims = jwt.decode(
                encoded,
                keys[header["kid"]],
                algorithms=["ES256"],
                audience="services",
                issuer=self.issuer,
            )
        except jwt.InvalidTokenError as refused:
            return 401, {"refused": type(refused).__name__}
        return 200, claims

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Gateway:
    """nginx with the documented configuration, the places in it replaced."""

    folder: Path
    idp_port: int
    service_port: int
    client_id: str = "gateway"
    secret: str = SECRET
    port: int = field(default_factory=free_port)

    def start(self) -> None:
        credentials = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        text = (EXAMPLES / "nginx-phantom-token.conf").read_text()
        for place, value in {
            "/etc/nginx/nginx-phantom-token.js": str(EXAMPLES / "nginx-phantom-token.js"),
            "/run/nginx-phantom-token": f"{self.folder}/cache",
            "id.example.org:443": f"127.0.0.1:{self.idp_port}",
            "https://idp/": "http://idp/",
            "services.example.org:8080": f"127.0.0.1:{self.service_port}",
            "listen 8080": f"listen 127.0.0.1:{self.port}",
            "R0FURVdBWTpTRUNSRVQ=": credentials,
        }.items():
            assert text.count(place) == 1, place
            text = text.replace(place, value)
        (self.folder / "gateway.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        wrapper = WRAPPER.format(folder=self.folder, module=NGINX_JAVASCRIPT, user=user)
        (self.folder / "nginx.conf").write_text(wrapper)
        program = find("nginx")
        assert program
        self._process = subprocess.Popen(
            [program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "stderr.log").open("wb"),
        )
        wait_until(lambda: (self.folder / "nginx.pid").exists() and self._listens())

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log()
        try:
            requests.get(self.url, timeout=5)
        except requests.ConnectionError:
            return False
        return True

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(READY_SECONDS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/orders"

    def log(self) -> str:
        return "".join(
            (self.folder / name).read_text(errors="replace")
            for name in ("stderr.log", "error.log")
            if (self.folder / name).exists()
        )

    def call(self, token: str | None = None, **options: Any) -> requests.Response:
        headers = options.pop("headers", {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return requests.request(
            options.pop("method", "GET"), self.url, headers=headers, timeout=30, **options
        )


def wait_until(condition: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def batch_client(client_id: str, **flags: object) -> dict[str, object]:
    return {
        "client_id": client_id,
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
        "scopes": ["orders.read"],
        "flags": flags,
    }


CONFIGURATION = {
    "scopes": {
        "orders.read": "See your orders",
        "introspection": "Check tokens",
        # Enough of them make a JWT that fits no page of memory.
        **{f"a-scope-of-many-with-a-long-name.{number:04}": "" for number in range(250)},
    },
    "clients": [
        batch_client("batch"),
        batch_client("short-lived", access_token_seconds=SHORT_SECONDS),
        {
            **batch_client("many-scopes"),
            "scopes": [f"a-scope-of-many-with-a-long-name.{number:04}" for number in range(250)],
        },
        *(
            {
                "client_id": client_id,
                "client_secret": SECRET,
                "grant_types": ["client_credentials", "token_exchange"],
                "scopes": scopes,
                "flags": flags,
            }
            for client_id, scopes, flags in (
                ("gateway", ["introspection"], {}),
                ("other-gateway", ["introspection"], {"jwt_audience": "elsewhere"}),
                ("no-gateway", ["orders.read"], {}),
            )
        ),
    ],
}


@pytest.fixture(scope="module")
def nginx() -> None:
    if not find("nginx") or not find(NGINX_JAVASCRIPT):
        pytest.skip("needs nginx with njs (Debian packages nginx and libnginx-mod-http-js)")


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    configuration = tmp_path_factory.mktemp("configuration") / "gateway.yaml"
    configuration.write_text(yaml.safe_dump(CONFIGURATION))
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    return live_database_url(f"gateway_{worker}", configuration)


@pytest.fixture(scope="module")
def idp(nginx: None, database: str) -> Iterator[LiveIDP]:
    # It is reached by its address, and named by its issuer, as in production.
    with LiveIDP(database) as server:
        yield server


@pytest.fixture(scope="module")
def service(idp: LiveIDP) -> Iterator[Service]:
    made = Service()
    made.issuer = idp.public_url
    made.jwks = requests.get(f"{idp.url}/.well-known/jwks.json", timeout=30).json()
    yield made
    made.stop()


type Start = Callable[..., Gateway]


@pytest.fixture
def start(idp: LiveIDP, service: Service, tmp_path: Path) -> Iterator[Start]:
    """Starts a gateway; one of another client where that is said."""
    started: list[Gateway] = []

    def gateway(**fields: Any) -> Gateway:
        folder = tmp_path / f"nginx-{len(started)}"
        folder.mkdir()
        made = Gateway(folder, **{"idp_port": idp.port, "service_port": service.port} | fields)
        made.start()
        started.append(made)
        return made

    yield gateway
    for made in started:
        made.stop()


@pytest.fixture
def gateway(start: Start, service: Service) -> Gateway:
    made = start()
    service.seen.clear()
    return made


def new_token(idp: LiveIDP, client_id: str = "batch") -> str:
    answer = requests.post(
        f"{idp.url}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(client_id, SECRET),
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def revoke(idp: LiveIDP, token: str, client_id: str = "batch") -> None:
    answer = requests.post(
        f"{idp.url}/oauth2/revoke", data={"token": token}, auth=(client_id, SECRET), timeout=30
    )
    assert answer.status_code == 200


# --- What gets through ---------------------------------------------------------------------------


def test_the_service_sees_a_jwt_and_never_the_token(
    gateway: Gateway, idp: LiveIDP, service: Service
) -> None:
    token = new_token(idp)
    answer = gateway.call(token)
    claims = answer.json()
    assert answer.status_code == 200, gateway.log()
    assert claims == {
        "iss": idp.public_url,
        "sub": "batch",
        "aud": "services",
        "client_id": "batch",
        "scope": "orders.read",
        "iat": claims["iat"],
        "exp": claims["iat"] + 300,
        "jti": claims["jti"],
    }
    [seen] = service.seen
    assert seen["authorization"].count(".") == 2
    assert token not in str(seen)
    assert not [name for name in seen if name.startswith(("x-gateway", "x-challenge"))]
    assert token not in str(answer.headers) + answer.text
    assert "X-Gateway-JWT" not in answer.headers


def test_the_token_is_in_no_file_of_the_gateway(gateway: Gateway, idp: LiveIDP) -> None:
    token = new_token(idp)
    gateway.call(token)
    files = [path for path in gateway.folder.rglob("*") if path.is_file()]
    assert [path for path in files if path.is_relative_to(gateway.folder / "cache")]
    assert [path for path in files if token.encode() in path.read_bytes()] == []


def test_a_request_with_a_body_reaches_the_service(
    gateway: Gateway, idp: LiveIDP, service: Service
) -> None:
    answer = gateway.call(new_token(idp), method="POST", data="an order" * 1000)
    assert answer.status_code == 200
    assert service.seen[0]["content-length"] == "8000"


def test_a_jwt_that_fills_many_buffers(gateway: Gateway, idp: LiveIDP, service: Service) -> None:
    # Once asked, once kept.
    token = new_token(idp, "many-scopes")
    for _ in range(2):
        answer = gateway.call(token)
        assert answer.status_code == 200, gateway.log()
        assert len(answer.json()["scope"].split()) == 250
    assert len(service.seen[0]["authorization"]) > 10_000


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_has_no_case(gateway: Gateway, idp: LiveIDP, scheme: str) -> None:
    answer = gateway.call(headers={"Authorization": f"{scheme} {new_token(idp)}"})
    assert answer.status_code == 200


# --- What does not -------------------------------------------------------------------------------


def refused(gateway: Gateway, service: Service, token: str | None = None, **options: Any) -> str:
    """The challenge that comes with a refusal; the service has not heard of it."""
    heard = len(service.seen)
    answer = gateway.call(token, **options)
    assert answer.status_code == 401, gateway.log()
    assert len(service.seen) == heard
    return answer.headers["WWW-Authenticate"]


BAD_TOKEN = 'Bearer realm="api", error="invalid_token"'


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer a&b=c"]
)
def test_without_a_token_there_is_a_challenge_and_no_error_code(
    gateway: Gateway, service: Service, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    assert refused(gateway, service, headers=headers) == 'Bearer realm="api"'


@pytest.mark.parametrize("token", ["at_made-up", "x", "a.b.c"])
def test_a_made_up_token(gateway: Gateway, service: Service, token: str) -> None:
    assert refused(gateway, service, token) == BAD_TOKEN


def test_a_jwt_from_the_outside_is_no_way_in(
    gateway: Gateway, idp: LiveIDP, service: Service
) -> None:
    gateway.call(new_token(idp))
    genuine = service.seen[0]["authorization"].removeprefix("Bearer ")
    headers = {"X-Gateway-JWT": genuine, "Authorization": f"Bearer {genuine}"}
    assert refused(gateway, service, headers=headers) == BAD_TOKEN
    assert refused(gateway, service, headers={"X-Gateway-JWT": genuine}) == 'Bearer realm="api"'


def test_two_tokens_are_no_way_to_smuggle_one(
    gateway: Gateway, idp: LiveIDP, service: Service
) -> None:
    genuine = new_token(idp)
    for tokens in ((genuine, "at_made-up"), ("at_made-up", genuine)):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        connection.putrequest("GET", "/orders")
        for token in tokens:
            connection.putheader("Authorization", f"Bearer {token}")
        connection.endheaders()
        assert connection.getresponse().status in {200, 400, 401}
        connection.close()
    for seen in service.seen:
        assert seen["authorization"].count(".") == 2
        assert "at_" not in str(seen)


def test_a_revoked_token(gateway: Gateway, idp: LiveIDP, service: Service) -> None:
    token = new_token(idp)
    revoke(idp, token)
    assert refused(gateway, service, token) == BAD_TOKEN


def test_an_expired_token_and_its_jwt_end_together_whatever_is_kept(
    gateway: Gateway, idp: LiveIDP, service: Service
) -> None:
    token = new_token(idp, "short-lived")
    issued_at = time.monotonic()
    while gateway.call(token).status_code == 200:
        assert time.monotonic() - issued_at <= SHORT_SECONDS + 1, "kept for longer than it lives"
        time.sleep(0.2)
    wait_until(lambda: gateway.call(token).headers.get("WWW-Authenticate") == BAD_TOKEN, 3)
    assert time.monotonic() - issued_at >= SHORT_SECONDS - 1
    assert refused(gateway, service, token) == BAD_TOKEN


def test_a_kept_answer_outlives_a_revocation_by_half_a_jwt_at_most(
    gateway: Gateway, idp: LiveIDP
) -> None:
    token = new_token(idp, "short-lived")
    assert gateway.call(token).status_code == 200
    revoke(idp, token, "short-lived")
    revoked_at = time.monotonic()
    assert gateway.call(token).status_code == 200, "nothing is kept, so nothing is saved"
    wait_until(lambda: gateway.call(token).status_code == 401)
    assert time.monotonic() - revoked_at <= SHORT_SECONDS / 2 + 1.5


def test_one_question_for_many_requests(gateway: Gateway, idp: LiveIDP) -> None:
    token = new_token(idp)
    ids = {gateway.call(token, headers={"Accept": f"a/{n}"}).json()["jti"] for n in range(5)}
    assert len(ids) == 1
    other = gateway.call(new_token(idp)).json()["jti"]
    assert other not in ids


def test_a_bad_token_is_not_kept(gateway: Gateway, service: Service) -> None:
    refused(gateway, service, "at_made-up")
    refused(gateway, service, "at_made-up")
    assert not [path for path in (gateway.folder / "cache").rglob("*") if path.is_file()]


# --- Audiences -----------------------------------------------------------------------------------


def test_a_jwt_for_another_audience_is_refused_by_the_service(
    start: Start, idp: LiveIDP, service: Service
) -> None:
    answer = start(client_id="other-gateway").call(new_token(idp))
    assert (answer.status_code, answer.json()) == (401, {"refused": "InvalidAudienceError"})
    assert "WWW-Authenticate" not in answer.headers  # It is the service's answer, passed on as is.


def test_a_gateway_gets_no_jwt_for_an_audience_that_is_not_its_own(idp: LiveIDP) -> None:
    form = {
        "grant_type": EXCHANGE,
        "subject_token": new_token(idp),
        "subject_token_type": ACCESS_TOKEN_TYPE,
        "audience": "elsewhere",
    }
    answer = requests.post(
        f"{idp.url}/oauth2/token", data=form, auth=("gateway", SECRET), timeout=30
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


# --- The IDP does not answer, or not this gateway ------------------------------------------------


def test_an_outage_is_no_bad_token(
    start: Start, idp: LiveIDP, database: str, service: Service
) -> None:
    token, other = new_token(idp), new_token(idp)
    with LiveIDP(database, public_url=idp.public_url) as dying:
        gateway = start(idp_port=dying.port)
        assert gateway.call(token).status_code == 200
        dying.stop()
        heard = len(service.seen)
        answer = gateway.call(other)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "WWW-Authenticate" not in answer.headers
        assert len(service.seen) == heard
        # What is kept goes on.
        assert gateway.call(token).status_code == 200
        assert "introspection has answered 502" in gateway.log()


@pytest.mark.parametrize(
    "fields", [{"secret": "wrong"}, {"client_id": "no-gateway"}, {"client_id": "nobody"}]
)
def test_a_gateway_that_may_not_introspect_logs_nobody_out(
    start: Start, idp: LiveIDP, service: Service, fields: dict[str, str]
) -> None:
    gateway, heard = start(**fields), len(service.seen)
    answer = gateway.call(new_token(idp))
    assert answer.status_code == 503
    assert len(service.seen) == heard
