"""Our HMAC is everybody's HMAC."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.macs import Mac


@given(st.binary(max_size=64), st.binary(max_size=300))
def test_it_is_hmac_sha256(key: bytes, message: bytes) -> None:
    assert Mac(key).digest(message) == hmac.digest(key, message, "sha256")


def test_one_message_leaves_no_trace_in_the_next() -> None:
    mac = Mac(b"key")
    assert mac.digest(b"one") == mac.digest(b"one") != mac.digest(b"other")


def test_a_key_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="longer key"):
        Mac(bytes(65))
