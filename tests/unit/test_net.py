"""The address that a request comes from, whatever is forged on the way."""

import timeit
from ipaddress import ip_network

import pytest

from idp import net

PROXY, SECOND, V6_PROXY = "10.0.0.1", "10.0.0.2", "2001:db8:ffff::1"
PEER = "198.51.100.7"


@pytest.fixture(autouse=True)
def trusted(settings):
    settings.TRUSTED_PROXIES = tuple(map(ip_network, ("10.0.0.0/8", "2001:db8:ffff::/48")))


def address(peer, forwarded=None):
    meta = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    return net.client_address(meta)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # Nobody forwards.
        (PEER, None, PEER),
        (PROXY, None, PROXY),
        (PROXY, "", PROXY),
        # Forged from outside: the peer is no proxy of ours.
        (PEER, "192.0.2.1", PEER),
        (PEER, "10.0.0.1, 10.0.0.2", PEER),
        # One proxy, and what the browser had sent along.
        (PROXY, "192.0.2.1", "192.0.2.1"),
        (PROXY, "203.0.113.9, 192.0.2.1", "192.0.2.1"),
        (PROXY, "10.0.0.2, 192.0.2.1", "192.0.2.1"),
        (PROXY, "garbage, 192.0.2.1", "192.0.2.1"),
        # Several of ours, joined in one header or in several (Granian joins those by a comma).
        (PROXY, "192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (PROXY, "203.0.113.9,192.0.2.1,10.0.0.3, 10.0.0.2", "192.0.2.1"),
        # More hops than proxies: somebody of ours asks for itself.
        (PROXY, "10.0.0.9, 10.0.0.2", "10.0.0.9"),
        (PROXY, ", ".join(["10.0.0.2"] * 1000), "10.0.0.2"),
        (PROXY, "192.0.2.1" + ", 10.0.0.2" * 1000, "10.0.0.2"),
        # Garbage counts for nothing, and whoever passed it on is where it comes from.
        (PROXY, "garbage", PROXY),
        (PROXY, "unknown, 10.0.0.2", SECOND),
        (PROXY, "192.0.2.1, garbage", PROXY),
        (PROXY, "192.0.2.1, 192.0.2.999", PROXY),
        (PROXY, "192.0.2.1, 0300.0250.1.1", PROXY),
        (PROXY, "192.0.2.1, 3221225985", PROXY),
        (PROXY, "192.0.2.1, " + "1" * 100_000, PROXY),
        (PROXY, "192.0.2.1, 192.0.2.2:99:1", PROXY),
        (PROXY, "192.0.2.1, 192.0.2.2:http", PROXY),
        (PROXY, "192.0.2.1, [2001:db8::1", PROXY),
        (PROXY, "192.0.2.1, [2001:db8::1]80", PROXY),
        (PROXY, "192.0.2.1, [192.0.2.2]", PROXY),
        (PROXY, "192.0.2.1, []", PROXY),
        (PROXY, "192.0.2.1, \x00", PROXY),
        (PROXY, "192.0.2.1, \u0661.1.1.1", PROXY),
        # Empty elements are none.
        (PROXY, "192.0.2.1, ,", "192.0.2.1"),
        (PROXY, " , ", PROXY),
        # Ports, brackets, zones, IPv4 within IPv6: one spelling for each address.
        (PROXY, "192.0.2.1:4711", "192.0.2.1"),
        (PROXY, "[2001:DB8:0:0::1]:4711", "2001:db8::1"),
        (PROXY, "[2001:db8::1]", "2001:db8::1"),
        (PROXY, "2001:0db8:0:0:0:0:0:1", "2001:db8::1"),
        (PROXY, "fe80::1%eth0", "fe80::1"),
        (PROXY, "[fe80::1%25eth0]:443", "fe80::1"),
        (PROXY, "::ffff:192.0.2.1", "192.0.2.1"),
        (PROXY, "192.0.2.1, ::ffff:10.0.0.2", "192.0.2.1"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:198.51.100.7", "192.0.2.1", PEER),
        ("2001:db8:ffff:0::1", "2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", None, "fe80::1"),
        # A socket file has no address, and is nobody's.
        ("", None, ""),
        ("", "192.0.2.1", ""),
        ("unix:", "192.0.2.1", ""),
    ],
)
def test_the_address_is_the_last_one_that_is_no_proxy_of_ours(peer, forwarded, expected):
    assert address(peer, forwarded) == expected


def test_without_trusted_proxies_nothing_that_is_forwarded_counts(settings):
    settings.TRUSTED_PROXIES = ()
    assert address(PROXY, "192.0.2.1") == PROXY


def test_what_was_found_out_is_not_found_out_again(rf):
    request = rf.get("/", REMOTE_ADDR=PROXY, HTTP_X_FORWARDED_FOR="192.0.2.1")
    assert net.address_of(request) == "192.0.2.1"
    request.META[net.ADDRESS] = "192.0.2.2"
    assert net.address_of(request) == "192.0.2.2"


def test_no_header_can_say_what_was_found_out(rf):
    headers = {
        "HTTP_IDP.CLIENT_ADDRESS": "192.0.2.1",
        "HTTP_IDP_CLIENT_ADDRESS": "192.0.2.1",
    }
    assert net.address_of(rf.get("/", REMOTE_ADDR=PEER, **headers)) == PEER


def test_the_usual_case_costs_microseconds():
    meta = {"REMOTE_ADDR": PEER, "HTTP_X_FORWARDED_FOR": "192.0.2.1"}
    runs = 20_000
    seconds = min(timeit.repeat(lambda: net.client_address(meta), number=runs, repeat=5)) / runs
    print(f"{seconds * 1e6:.2f} microseconds")
    assert seconds < 20e-6
