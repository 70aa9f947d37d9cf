"""Signing keys: published before they sign, kept until their last token has ended."""

from datetime import UTC, datetime, timedelta

import pytest

from tokens.keys import ring, rotation, vault
from tokens.keys.models import SigningKey

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_keys():
    SigningKey.objects.all().delete()
    ring.forget()
    yield
    ring.forget()


def states(algorithm: str = "ES256") -> list[str]:
    keys = SigningKey.objects.filter(algorithm=algorithm).order_by("created_at")
    return [key.state for key in keys]


def test_the_first_keys_sign_at_once():
    done = rotation.rotate_due(START)
    assert len(done) == 2
    assert states("ES256") == states("RS256") == ["active"]
    assert rotation.rotate_due(START) == []


def test_a_year_of_regular_runs_rotates_without_a_gap():
    for day in range(0, 366, 2):
        rotation.rotate_due(START + timedelta(days=day))
        assert states().count("active") == 1
        assert states().count("next") <= 1
    for key in SigningKey.objects.exclude(activated_at=None):
        if key.created_at > START:
            assert key.activated_at - key.created_at >= rotation.PUBLISH_AHEAD
        if key.retired_at:
            assert key.retired_at - key.retiring_at >= rotation.RETIRE_AFTER
    assert states() == ["retired", "retired", "retired", "retiring", "active"]


def test_the_jwks_holds_what_is_published_and_the_signer_is_the_active_one():
    rotation.rotate_due(START)
    coming = START + rotation.SIGNS_FOR - rotation.PUBLISH_AHEAD
    rotation.rotate_due(coming)
    published = {key["kid"] for key in ring.current().jwks["keys"] if key["alg"] == "ES256"}
    active = SigningKey.objects.get(algorithm="ES256", state="active")
    assert len(published) == 2
    assert ring.current().signer("ES256").kid == active.kid


def test_no_private_key_is_readable_in_the_database():
    rotation.rotate_due(START)
    for key in SigningKey.objects.all():
        assert b"PRIVATE" not in bytes(key.private_encrypted)
        assert "PRIVATE" not in str(key.public_jwk)
        assert vault.unseal(key.private_encrypted).startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_key_sealed_under_a_lost_secret_says_so():
    from cryptography.fernet import Fernet

    with pytest.raises(vault.LockedKeyError):
        vault.unseal(Fernet(Fernet.generate_key()).encrypt(b"x"))


def test_a_key_of_a_newer_release_is_published_and_otherwise_left_alone():
    rotation.rotate_due(START)
    SigningKey.objects.filter(algorithm="ES256").update(algorithm="NEW1")
    assert set(ring.current().signers) == {"RS256"}
    assert len(ring.current().verifiers) == 1
    assert len(ring.current().jwks["keys"]) == 2
