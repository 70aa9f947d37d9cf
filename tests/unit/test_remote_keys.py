"""Keys read by URL, from real servers: what is refused, in what time, and how often one asks."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from threading import Event

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from idp import jwks, outbound, remote_keys
from idp.remote_keys import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, KeysUnavailable, RemoteKeys
from tests.issuers import KeyServer, document, jwk, new_key, tls_files

KEY = new_key()
KEYS = {"keys": [jwk(KEY, "one")]}
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings) -> None:
    settings.JWKS_ALLOWED_NETWORKS = LOOPBACK


def refusal(url: str) -> str:
    with pytest.raises(KeysUnavailable) as raised:
        remote_keys.fetch(url)
    return str(raised.value)


# --- What is read --------------------------------------------------------------------------------


def test_keys_are_objects_with_their_names_and_algorithms():
    with KeyServer(document(KEYS)) as server:
        (key,) = remote_keys.fetch(server.url)
    assert (key.kid, key.algorithms) == ("one", {"ES256"})
    assert key.key == KEY.public_key()
    assert server.asked == [("/jwks.json", f"127.0.0.1:{server.port}")]


def test_an_answer_in_chunks_is_read():
    def in_chunks(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        body = json.dumps(KEYS).encode()
        for part in (body[:10], body[10:], b""):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))

    with KeyServer(in_chunks) as server:
        assert len(remote_keys.fetch(server.url)) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (document(KEYS, 302, Location="https://elsewhere.example/"), "answered with status 302"),
        (document(KEYS, 301, Location="/jwks.json?again"), "answered with status 301"),
        (document(KEYS, 404), "answered with status 404"),
        (document(KEYS, 206), "answered with status 206"),
        (document(b" " * 10_000_000), "larger than 65536 bytes"),
        (document(b" " * 65_537), "larger than 65536 bytes"),
        (document(b"x", **{f"X_{n}": "y" * 1000 for n in range(90)}), "larger than 65536 bytes"),
        (document(b"<html>"), "is not JSON"),
        (document(b"[" * 60_000), "is not JSON"),
        (document(b"\xff\xfe\xff"), "is not JSON"),
        (document([]), "is not a JWKS"),
        (document({"keys": {}}), "is not a JWKS"),
        (document({"keys": ["x"]}), "is not a JWKS"),
        (document({"keys": []}), "holds no key that can verify"),
        (document({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}), "private or a shared key"),
        (document({"keys": [jwk(KEY, d="AAAA")]}), "private or a shared key"),
        (document({"keys": [jwk(KEY, str(n)) for n in range(21)]}), "more than 20 keys"),
        (lambda handler: handler.wfile.write(b"rubbish\r\n\r\n"), "BadStatusLine"),
        (lambda _: None, "RemoteDisconnected"),
    ],
)  # fmt: skip
def test_what_is_no_plain_set_of_public_keys_is_refused(answer, reason):
    with KeyServer(answer) as server:
        assert reason in refusal(server.url)
    assert len(server.asked) == 1, "and no redirect is followed"


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_a_server_that_takes_its_time_gets_two_seconds_in_all(behaviour):
    with KeyServer(document(KEYS)) as server:
        server.answer = getattr(server, behaviour)
        began = time.monotonic()
        assert "did not answer within 2 seconds" in refusal(server.url)
        assert 1.9 < time.monotonic() - began < 3


def test_a_server_that_never_shakes_hands_gets_two_seconds_too():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        port = silent.getsockname()[1]
        assert "did not answer within 2 seconds" in refusal(f"https://127.0.0.1:{port}/")
        assert 1.9 < time.monotonic() - began < 3


def test_a_resolver_that_hangs_does_not_hold_us_up(monkeypatch):
    let_go = Event()

    def hang(*_: object, **__: object) -> list[object]:
        let_go.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    assert "did not answer within 2 seconds" in refusal("https://keys.example/")
    assert time.monotonic() - began < 3
    let_go.set()


def test_nobody_there():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "could not be read: ConnectionRefusedError" in refusal(f"http://127.0.0.1:{port}/")


def test_a_name_that_does_not_exist(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert "could not be read: gaierror" in refusal("https://nobody.invalid/")


# --- TLS -----------------------------------------------------------------------------------------


def resolve_to(monkeypatch, *addresses: str) -> list[str]:
    """Lets every name have these addresses; answers the names that were looked up."""
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def resolved(host: str, port: int, *arguments: object, **options: object):
        if host in addresses:  # the connection itself, to an address
            return real(host, port, *arguments, **options)
        looked_up.append(host)
        return [entry for text in addresses for entry in real(text, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return looked_up


def test_the_certificate_is_that_of_the_name_though_the_address_is_connected_to(
    monkeypatch, tmp_path
):
    authority, certificate = tls_files(tmp_path, "keys.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    looked_up = resolve_to(monkeypatch, "127.0.0.1")
    with KeyServer(document(KEYS), tls=certificate) as server:
        url = f"https://keys.example:{server.port}/jwks.json?a=b"
        assert len(remote_keys.fetch(url)) == 1
        assert server.asked == [("/jwks.json?a=b", f"keys.example:{server.port}")]
        assert looked_up == ["keys.example"], "once: what was checked is what is connected to"
        reason = refusal(f"https://other.example:{server.port}/jwks.json")
        assert "no TLS that is trusted: CERTIFICATE_VERIFY_FAILED" in reason


def test_a_certificate_of_nobody_knows_whom_is_refused(tmp_path):
    _, certificate = tls_files(tmp_path, "127.0.0.1")
    with KeyServer(document(KEYS), tls=certificate) as server:
        assert "no TLS that is trusted: CERTIFICATE_VERIFY_FAILED" in refusal(server.url)
    assert server.asked == []


def test_plain_http_where_tls_is_expected():
    with KeyServer(document(KEYS)) as server:
        assert "no TLS that is trusted" in refusal(server.url.replace("http:", "https:"))


# --- Where one may ask ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.8.8.8", "0.0.0.0"),
        *("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1"),
        *("239.255.255.250", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1"),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:169.254.169.254", "::8.8.8.8"),
        *("64:ff9b::169.254.169.254", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::"),
        *("2001:0:1::1", "2001:db8::1", "100::1"),
    ],
)
def test_an_address_that_is_not_public_is_not_asked(address):
    assert not outbound.may_ask(ip_address(address), ())


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::8.8.8.8"]
)
def test_a_public_address_is_asked(address):
    assert outbound.may_ask(ip_address(address), ())


def test_an_operator_can_allow_networks():
    allowed = (ip_network("10.1.0.0/16"),)
    assert outbound.may_ask(ip_address("10.1.2.3"), allowed)
    assert not outbound.may_ask(ip_address("10.2.0.1"), allowed)
    assert not outbound.may_ask(ip_address("::ffff:10.1.2.3"), allowed)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0", "127.1", "2130706433", "0x7f000001", "[::ffff:7f00:1]"]
)
def test_loopback_is_not_asked_unless_it_is_allowed_however_it_is_written(settings, host):
    settings.JWKS_ALLOWED_NETWORKS = ()
    with KeyServer(document(KEYS)) as server:
        for scheme in ("http", "https"):
            reason = refusal(f"{scheme}://{host}:{server.port}/")
            assert "at no address that may be asked" in reason
    assert server.asked == []


def test_plain_http_is_for_loopback_alone(settings):
    settings.JWKS_ALLOWED_NETWORKS = (ip_network("0.0.0.0/0"),)
    reason = refusal("http://93.184.216.34/")
    assert reason == "the JWKS URL is at no address that may be asked by plain http"


def test_a_name_with_a_private_address_beside_a_public_one_leads_nowhere_private(
    monkeypatch, settings
):
    settings.JWKS_ALLOWED_NETWORKS = (ip_network("127.0.0.1/32"),)
    resolve_to(monkeypatch, "127.0.0.2", "169.254.169.254", "127.0.0.1")
    with KeyServer(document(KEYS)) as server:
        assert len(remote_keys.fetch(f"http://keys.example:{server.port}/")) == 1


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "ftp://keys.example/", "file:///etc/passwd", "https://", "https://[::1/"),
        *("https://user:password@keys.example/", "https://@keys.example/", "//keys.example/"),
        *("https://keys.example:99999/", "https://keys.example:x/", "https://keys.example/a b"),
        *("https://keys.example/\r\nX: y", "https://k\u00e9ys.example/", "gopher://keys.example/"),
    ],
)
def test_what_is_no_https_url_is_refused(url):
    assert "URL" in refusal(url)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", ".", "%00"])
def test_a_host_that_is_no_name_is_refused(host):
    refusal(f"https://{host}/")


# --- How often one asks --------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """What would be read from a URL."""

    def __init__(self, *kids: str) -> None:
        self.kids = kids
        self.asked = 0
        self.failure = ""

    def __call__(self, url: str) -> tuple[jwks.VerificationKey, ...]:
        self.asked += 1
        if self.failure:
            raise KeysUnavailable(self.failure)
        return jwks.of_document({"keys": [jwk(KEY, kid) for kid in self.kids]})


@pytest.fixture
def clock() -> Clock:
    return Clock()


def kids(known: RemoteKeys, kid: str | None = None) -> list[str | None]:
    return [key.kid for key in known.keys("https://keys.example/", kid)]


def test_keys_are_read_once_in_ten_minutes(clock):
    source = Source("one")
    known = RemoteKeys(source, clock)
    for _ in range(100):
        assert kids(known, "one") == ["one"]
        clock.now += FRESH_SECONDS / 101
    assert source.asked == 1
    clock.now += FRESH_SECONDS
    kids(known, "one")
    assert source.asked == 2


def test_an_unknown_kid_lets_us_ask_again_but_not_more_often_than_every_30_seconds(clock):
    source = Source("one")
    known = RemoteKeys(source, clock)
    kids(known, "one")
    source.kids = ("one", "two")
    assert kids(known, "two") == ["one"]
    clock.now += PAUSE_SECONDS
    assert kids(known, "two") == ["one", "two"]
    for number in range(1000):
        kids(known, f"made up {number}")
    assert source.asked == 2
    clock.now += PAUSE_SECONDS
    for number in range(1000):
        kids(known, f"made up {number}")
    assert source.asked == 3


def test_a_failure_is_remembered_for_30_seconds(clock):
    source = Source()
    source.failure = "away"
    known = RemoteKeys(source, clock)
    for _ in range(100):
        with pytest.raises(KeysUnavailable, match="away"):
            kids(known)
        clock.now += PAUSE_SECONDS / 101
    assert source.asked == 1
    clock.now += PAUSE_SECONDS
    source.failure, source.kids = "", ("one",)
    assert kids(known) == ["one"]


def test_old_keys_last_for_a_day_while_the_url_is_away(clock):
    source = Source("one")
    known = RemoteKeys(source, clock)
    kids(known)
    source.failure = "away"
    began = clock.now
    while clock.now + 600 < began + STALE_SECONDS:
        clock.now += 600
        assert kids(known, "one") == ["one"]
    clock.now = began + STALE_SECONDS
    with pytest.raises(KeysUnavailable, match="away"):
        kids(known, "one")


def test_a_key_that_is_no_longer_published_no_longer_counts(clock):
    source = Source("one")
    known = RemoteKeys(source, clock)
    kids(known)
    source.kids = ("two",)
    clock.now += FRESH_SECONDS
    assert kids(known, "one") == ["two"]


def test_many_at_once_ask_once(clock):
    began, go_on = Event(), Event()
    source = Source("one")

    def slow(url: str) -> tuple[jwks.VerificationKey, ...]:
        began.set()
        assert go_on.wait(10)
        return source(url)

    known = RemoteKeys(slow, clock)
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(kids, known, "one") for _ in range(20)]
        assert began.wait(10)
        go_on.set()
        assert [answer.result() for answer in answers] == [["one"]] * 20
    assert source.asked == 1


def test_who_has_the_key_in_hand_does_not_wait_for_the_one_who_asks(clock):
    source = Source("one")
    known = RemoteKeys(source, clock)
    kids(known)
    began, go_on = Event(), Event()

    def slow(url: str) -> tuple[jwks.VerificationKey, ...]:
        began.set()
        assert go_on.wait(10)
        return source(url)

    known._read = slow
    clock.now += FRESH_SECONDS
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(kids, known, "one")
        assert began.wait(10)
        assert kids(known, "one") == ["one"]
        go_on.set()
        assert asking.result() == ["one"]


# --- Key sets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "usable_with"),
    [
        ("RS256", {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
        ("ES256", {"ES256"}),
        ("ES384", {"ES384"}),
        ("ES512", {"ES512"}),
        ("EdDSA", {"EdDSA"}),
    ],
)
def test_a_key_is_for_the_algorithms_of_its_kind_and_for_the_one_that_it_names(
    algorithm, usable_with
):
    key = new_key(algorithm)
    (any_of_its_kind,) = jwks.of_document({"keys": [jwk(key)]})
    assert (any_of_its_kind.algorithms, any_of_its_kind.kid) == (usable_with, None)
    (named,) = jwks.of_document({"keys": [jwk(key, alg=algorithm)]})
    assert named.algorithms == {algorithm}


@pytest.mark.parametrize(
    "other",
    [
        jwk(KEY, use="enc"),
        jwk(KEY, key_ops=["encrypt"]),
        jwk(KEY, key_ops="verify"),
        jwk(KEY, alg="ES384"),
        jwk(KEY, alg="HS256"),
        jwk(KEY, alg=7),
        jwk(KEY) | {"kid": 7},
        jwk(KEY) | {"kid": "x" * 2000},
        jwk(KEY) | {"crv": "secp256k1"},
        jwk(KEY) | {"crv": "P-384"},
        jwk(KEY) | {"x": "AAAA"},
        jwk(KEY) | {"x": "é"},
        jwk(KEY) | {"x": 7},
        jwk(KEY) | {"y": jwk(KEY)["x"]},
        {"kty": "EC"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "n": "A" * 60_000, "e": "AQAB"},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "AKP"},
        {"kty": []},
        {},
        jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505
    ],
)
def test_a_key_that_is_of_no_use_here_is_left_out(other):
    document = {"keys": [other, jwk(KEY, "one")]}
    assert [key.kid for key in jwks.of_document(document)] == ["one"]
    assert jwks.unusable(document) == [1]


def test_a_set_that_is_looked_at_again_is_parsed_once():
    text = json.dumps(KEYS)
    assert jwks.cached(text) is jwks.cached(text)
