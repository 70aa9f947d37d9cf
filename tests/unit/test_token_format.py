"""What a token looks like, and what it gives away."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens.format import Prefix, Reference, TokenFormat, new_nonce

OLD, NEW = {1: b"o" * 32}, {2: b"n" * 32}
ids = st.integers(0, 2**63 - 1)
nonces = st.integers(-(2**63), 2**63 - 1)


@given(prefix=st.sampled_from(Prefix), row_id=ids, nonce=nonces)
def test_a_token_points_at_the_row_that_it_was_made_from(prefix, row_id, nonce):
    form = TokenFormat(NEW)
    token = form.write(prefix, row_id, nonce)
    assert form.read(prefix, token) == Reference(row_id, nonce)
    assert form.write(prefix, row_id, nonce) == token, "it can be said again"
    assert len(token) == 47


@given(row_id=ids, nonce=nonces, position=st.integers(0, 32), bit=st.integers(0, 7))
def test_one_changed_bit_anywhere_makes_it_worthless(row_id, nonce, position, bit):
    form = TokenFormat(NEW)
    body = bytearray(base64.urlsafe_b64decode(form.write(Prefix.ACCESS_TOKEN, row_id, nonce)[3:]))
    body[position] ^= 1 << bit
    forged = f"at_{base64.urlsafe_b64encode(body).decode()}"
    assert form.read(Prefix.ACCESS_TOKEN, forged) is None


@given(token=st.text(max_size=60))
def test_what_was_never_said_points_at_nothing(token):
    assert TokenFormat(NEW).read(Prefix.ACCESS_TOKEN, token) is None
    assert TokenFormat(NEW).read(Prefix.ACCESS_TOKEN, f"at_{token}") is None


def test_a_token_of_one_kind_is_none_of_another():
    form = TokenFormat(NEW)
    refresh_token = form.write(Prefix.REFRESH_TOKEN, 7, 9)
    assert form.read(Prefix.ACCESS_TOKEN, refresh_token) is None
    assert form.read(Prefix.ACCESS_TOKEN, refresh_token.replace("rt_", "at_")) is None


def test_an_older_key_of_the_ring_still_reads_and_the_newest_writes():
    old = TokenFormat(OLD).write(Prefix.ACCESS_TOKEN, 7, 9)
    both = TokenFormat(NEW | OLD)
    assert both.read(Prefix.ACCESS_TOKEN, old) == Reference(7, 9)
    assert TokenFormat(NEW).read(Prefix.ACCESS_TOKEN, both.write(Prefix.ACCESS_TOKEN, 7, 9))
    assert TokenFormat(NEW).read(Prefix.ACCESS_TOKEN, old) is None, "its key has left the ring"


@pytest.mark.parametrize("other", ["+", "/", "=", " ", "\n"])
def test_a_token_has_one_spelling_only(other):
    form = TokenFormat(NEW)
    token = next(
        token
        for token in (form.write(Prefix.ACCESS_TOKEN, 1, new_nonce()) for _ in range(1000))
        if "-" in token
    )
    assert form.read(Prefix.ACCESS_TOKEN, token.replace("-", other)) is None
    assert form.read(Prefix.ACCESS_TOKEN, token + other) is None


def test_ids_in_a_row_do_not_show_in_tokens():
    form = TokenFormat(NEW)
    masked = {
        base64.urlsafe_b64decode(form.write(Prefix.ACCESS_TOKEN, row_id, new_nonce())[3:])[1:9]
        for row_id in range(1000, 1100)
    }
    assert len(masked) == 100
    assert not masked & {row_id.to_bytes(8) for row_id in range(1000, 1100)}
