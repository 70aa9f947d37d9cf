"""Signing keys: published before they sign, kept until their last token has ended, and back."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import jwt
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser

from idp import jose
from idp.audit.models import AuditEvent
from tests.configuration import (
    ACCESS_TOKEN_TYPE,
    EXCHANGE,
    Shopper,
    account,
    basic,
    batch,
    gateway,
    login_service,
    post,
    shop,
)
from tokens.keys import gauges, periods, resealing, ring, rotation, steps, vault
from tokens.keys.models import SigningKey
from tokens.keys.orders import Done, NotFetchedError, Order, RefusedError, TooEarlyError
from tokens.keys.vault import Seal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("partition_lists")]

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
SOON = START + periods.KNOWN_EVERYWHERE_AFTER
LATER = START + periods.PUBLISH_AHEAD
OPERATOR = Order("command jane")
IN_A_HURRY = Order("command jane", force=True)
ALGORITHMS = ["ES256", "RS256", "EdDSA"]
OLD_SECRET, NEW_SECRET = "o" * 40, "n" * 40


@pytest.fixture(autouse=True)
def no_keys():
    SigningKey.objects.all().delete()
    ring.forget()
    yield
    ring.forget()


@pytest.fixture
def keys():
    """Of each algorithm one that signs and one that is next, since START."""
    rotation.rotate_due(START)


def states(algorithm: str = "ES256") -> list[str]:
    found = SigningKey.objects.filter(algorithm=algorithm).order_by("created_at", "pk")
    return [key.state for key in found]


def key_of(state: str, algorithm: str = "ES256") -> SigningKey:
    return SigningKey.objects.get(algorithm=algorithm, state=state)


def signs(algorithm: str = "ES256") -> str:
    ring.forget()
    return ring.current().signer(algorithm).kid


def published(algorithm: str = "ES256") -> set[str]:
    ring.forget()
    return {key["kid"] for key in ring.current().jwks["keys"] if key["alg"] == algorithm}


def run(*arguments: str) -> tuple[int, str]:
    """The exit code of `manage.py keys`, and what it says."""
    output = StringIO()
    try:
        call_command("keys", *arguments, stdout=output, stderr=output, no_color=True)
    except CommandError as error:
        return error.returncode, f"{output.getvalue()}{error}"
    return 0, output.getvalue()


# --- Algorithms -----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_of_each_algorithm_survives_its_pem_and_signs_what_its_jwk_verifies(algorithm):
    key = jose.from_pem(jose.to_pem(jose.new_private_key(algorithm)))
    jwk = jose.public_jwk(key, algorithm)
    assert jwk["kid"] == jose.thumbprint(jwk)
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(jwk)
    token = jose.Signer(jwk["kid"], algorithm, key).sign({"sub": "jane"})
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": jwk["kid"], "typ": "JWT"}
    assert jwt.decode(token, jwt.PyJWK(json.loads(json.dumps(jwk)))) == {"sub": "jane"}


def test_the_thumbprint_of_an_ed25519_key_is_that_of_rfc_8037():
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert jose.thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_no_key_is_made_whose_name_a_command_would_take_for_an_option(monkeypatch):
    made = []

    def first_one_that_begins_with_a_dash(algorithm):
        key = new_private_key(algorithm)
        while not made and not jose.public_jwk(key, algorithm)["kid"].startswith("-"):
            key = new_private_key(algorithm)
        made.append(jose.public_jwk(key, algorithm)["kid"])
        return key

    new_private_key = jose.new_private_key
    monkeypatch.setattr(jose, "new_private_key", first_one_that_begins_with_a_dash)
    key = steps.Steps(START, "beat").publish("EdDSA")
    assert made[0].startswith("-")
    assert key.kid == made[-1] != made[0]
    assert not key.kid.startswith("-")


def test_each_client_gets_its_tokens_signed_as_its_flags_say(keys):
    account()
    for algorithm in ALGORITHMS:
        flags = {"consent": "never", "id_token_alg": algorithm}
        shop(f"shop-{algorithm}", flags=flags)
        gateway(f"gateway-{algorithm}", flags={"jwt_alg": algorithm})
        tokens = Shopper(f"shop-{algorithm}").tokens()
        answer = exchanged(tokens["access_token"], f"gateway-{algorithm}").json()
        for token in (tokens["id_token"], answer["access_token"]):
            header = jwt.get_unverified_header(token)
            assert (header["alg"], header["kid"]) == (algorithm, signs(algorithm))
            assert jwt.decode(
                token, ring.current().verifiers[header["kid"]], options={"verify_aud": False}
            )


def exchanged(token: str, client_id: str = "gateway"):
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN_TYPE,
    }
    return post("/oauth2/token", form, **basic(client_id))


# --- By itself ------------------------------------------------------------------------------------


def test_the_first_keys_sign_at_once_and_each_has_a_next_one():
    done = rotation.rotate_due(START)
    assert len(done) == 9
    for algorithm in ALGORITHMS:
        assert states(algorithm) == ["active", "next"]
    assert rotation.rotate_due(START) == []


def test_two_years_of_regular_runs_rotate_without_a_gap():
    for day in range(0, 731, 2):
        rotation.rotate_due(START + timedelta(days=day))
        assert states().count("active") == 1
        assert states().count("next") == 1
    for key in SigningKey.objects.exclude(activated_at=None):
        if key.created_at > START:
            assert key.activated_at - key.created_at >= rotation.PUBLISH_AHEAD
        if key.retiring_at:
            assert key.retiring_at - key.activated_at >= rotation.SIGNS_FOR
        if key.retired_at:
            assert key.retired_at - key.retiring_at >= rotation.RETIRE_AFTER
    assert states() == ["retired"] * 7 + ["retiring", "active", "next"]


def test_a_ring_of_the_release_before_which_has_no_next_key_goes_on():
    rotation.rotate_due(START)
    SigningKey.objects.filter(state="next").delete()
    rotation.rotate_due(START + DAY)
    assert states() == ["active", "next"]
    rotation.rotate_due(START + rotation.SIGNS_FOR)
    assert states() == ["retiring", "active", "next"]


def test_beat_lets_no_key_sign_that_it_cannot_open(keys):
    SigningKey.objects.filter(state="next", algorithm="ES256").update(private_encrypted=b"lost")
    done = rotation.rotate_due(START + rotation.SIGNS_FOR)
    assert states("ES256") == ["active", "next"]
    assert states("RS256") == ["retiring", "active", "next"]
    assert f"ES256 {key_of('next').kid} cannot be opened here, so it does not sign yet" in done


def test_a_key_stays_for_longer_than_anything_that_it_signed_and_than_a_way_back_takes():
    assert periods.LONGEST_LIFE == DAY
    assert (periods.NEEDED_FOR - DAY).total_seconds() == 305
    assert max(periods.NEEDED_FOR, periods.PUBLISH_AHEAD) < periods.RETIRE_AFTER
    assert periods.KNOWN_EVERYWHERE_AFTER.total_seconds() > 2 * periods.RING_SECONDS


def test_the_jwks_holds_what_is_published_and_the_signer_is_the_active_one(keys):
    assert published() == {key_of("active").kid, key_of("next").kid}
    assert signs() == key_of("active").kid


def test_a_key_of_a_newer_release_is_published_and_otherwise_left_alone(keys):
    SigningKey.objects.filter(algorithm="ES256").update(algorithm="NEW1")
    assert set(ring.current().signers) == {"RS256", "EdDSA"}
    assert len(ring.current().verifiers) == 4
    assert len(ring.current().jwks["keys"]) == 6


# --- Rotate ---------------------------------------------------------------------------------------


def test_rotate_lets_the_next_key_sign_and_publishes_another(keys):
    old, coming = key_of("active"), key_of("next")
    done = rotation.rotate("ES256", OPERATOR, now=LATER)
    assert signs() == coming.kid
    assert published() == {old.kid, coming.kid, key_of("next").kid}
    assert done == Done(
        [
            f"ES256 {old.kid}: signs no more, stays published",
            f"ES256 {coming.kid}: signs",
            f"ES256 {key_of('next').kid}: published, signs nothing yet",
        ]
    )
    assert states("RS256") == ["active", "next"]


def test_rotate_waits_until_all_who_verify_have_the_key_unless_forced(keys):
    with pytest.raises(RefusedError, match=r"is sure from 2026-01-15 00:00 UTC on"):
        rotation.rotate("ES256", OPERATOR, now=LATER - SECOND)
    assert states() == ["active", "next"]
    rotation.rotate("ES256", IN_A_HURRY, now=SOON)
    assert states() == ["retiring", "active", "next"]


def test_no_force_lets_a_key_sign_before_every_process_publishes_it(keys):
    for order in (OPERATOR, IN_A_HURRY):
        with pytest.raises(TooEarlyError, match="again in 1 seconds"):
            rotation.rotate("ES256", order, now=SOON - SECOND)
    assert states() == ["active", "next"]


def test_where_there_is_no_next_key_rotate_publishes_one_first(keys):
    key_of("next").delete()
    done = rotation.rotate("ES256", IN_A_HURRY, now=LATER)
    assert not done.is_complete
    assert states() == ["active", "next"]
    rotation.rotate("ES256", IN_A_HURRY, now=LATER + periods.KNOWN_EVERYWHERE_AFTER)
    assert states() == ["retiring", "active", "next"]


def test_rotate_refuses_a_next_key_that_cannot_be_opened_and_retire_makes_room_for_another(keys):
    lost = key_of("next")
    SigningKey.objects.filter(pk=lost.pk).update(private_encrypted=b"lost")
    with pytest.raises(RefusedError, match=f"ES256 {lost.kid} cannot sign: the secret"):
        rotation.rotate("ES256", OPERATOR, now=LATER)
    rotation.retire(lost.kid, OPERATOR, now=LATER)
    rotation.rotate("ES256", IN_A_HURRY, now=LATER + periods.KNOWN_EVERYWHERE_AFTER)
    assert lost.kid not in published()


# --- And back -------------------------------------------------------------------------------------


def test_rollback_is_done_at_once_and_a_second_one_goes_forward_again(keys):
    old, new = key_of("active"), key_of("next")
    rotation.rotate("ES256", IN_A_HURRY, now=SOON)
    coming = key_of("next")
    for back, away in ((old, new), (new, old), (old, new)):
        rotation.rollback("ES256", OPERATOR, now=SOON)
        assert signs() == back.kid
        assert key_of("retiring").kid == away.kid
        assert published() == {old.kid, new.kid, coming.kid}


def test_beat_does_not_undo_a_rollback(keys):
    rotation.rotate_due(START + rotation.SIGNS_FOR)
    due = START + rotation.SIGNS_FOR + DAY
    rotation.rollback("ES256", OPERATOR, now=due)
    back = signs()
    rotation.rotate_due(due + rotation.SIGNS_FOR - SECOND)
    assert signs() == back
    rotation.rotate_due(due + rotation.SIGNS_FOR)
    assert signs() != back


def test_what_was_rolled_back_stays_published_for_its_tokens(keys):
    bad = key_of("next").kid
    rotation.rotate("ES256", OPERATOR, now=LATER)
    rotation.rollback("ES256", OPERATOR, now=LATER + DAY)
    rotation.rotate_due(LATER + DAY + periods.RETIRE_AFTER - SECOND)
    assert bad in published()
    rotation.rotate_due(LATER + DAY + periods.RETIRE_AFTER)
    assert bad not in published()


def test_a_key_that_has_left_the_jwks_is_published_again_before_it_signs(keys):
    first = key_of("active").kid
    rotation.rotate("ES256", OPERATOR, now=LATER)
    gone = LATER + periods.RETIRE_AFTER
    rotation.rotate_due(gone)
    assert first not in published()

    assert not rotation.rollback("ES256", OPERATOR, now=gone).is_complete
    assert first in published()
    assert signs() != first
    with pytest.raises(TooEarlyError):
        rotation.rollback("ES256", IN_A_HURRY, now=gone + SECOND)
    with pytest.raises(NotFetchedError):
        rotation.rollback("ES256", OPERATOR, now=gone + DAY)
    rotation.rotate_due(gone + periods.PUBLISH_AHEAD)
    rotation.rollback("ES256", OPERATOR, now=gone + periods.PUBLISH_AHEAD)
    assert signs() == first


def test_rollback_goes_back_further_where_it_is_told_the_key(keys):
    first = key_of("active").kid
    for round_number in (1, 2):
        rotation.rotate("ES256", OPERATOR, now=START + round_number * periods.PUBLISH_AHEAD)
    rotation.rollback("ES256", OPERATOR, kid=first[:10], now=START + 2 * periods.PUBLISH_AHEAD)
    assert signs() == first


def test_rollback_refuses_what_never_signed_and_what_there_is_not(keys):
    for kid, problem in (
        ("", "No ES256 key has signed before the present one"),
        (key_of("next").kid, "it has never signed"),
        (key_of("active").kid, "it signs"),
        ("no-such-key", "No key has an ID that begins with no-such-key"),
        (key_of("active", "RS256").kid, "No key has an ID"),
    ):
        with pytest.raises(RefusedError, match=problem):
            rotation.rollback("ES256", IN_A_HURRY, kid=kid, now=LATER)


def test_a_beginning_that_several_keys_share_names_none_of_them(keys):
    for number, key in enumerate(SigningKey.objects.all()):
        SigningKey.objects.filter(pk=key.pk).update(kid=f"same-{number}")
    with pytest.raises(RefusedError, match="More than one key has an ID that begins with same"):
        rotation.retire("same", OPERATOR)


def test_rollback_refuses_a_key_that_cannot_be_opened(keys):
    rotation.rotate("ES256", OPERATOR, now=LATER)
    SigningKey.objects.filter(state="retiring").update(private_encrypted=b"lost")
    with pytest.raises(RefusedError, match="cannot sign"):
        rotation.rollback("ES256", IN_A_HURRY, now=LATER)


# --- Away with it ---------------------------------------------------------------------------------


def test_a_key_leaves_by_hand_only_when_all_that_it_signed_is_over(keys):
    old = key_of("active").kid
    with pytest.raises(RefusedError, match=r"signs\. Rotate or roll back first"):
        rotation.retire(old, OPERATOR, now=LATER)
    rotation.rotate("ES256", OPERATOR, now=LATER)
    with pytest.raises(RefusedError, match="is needed until 2026-01-16 00:05 UTC"):
        rotation.retire(old, IN_A_HURRY, now=LATER + periods.NEEDED_FOR - SECOND)
    assert old in published()
    rotation.retire(old[:12], OPERATOR, now=LATER + periods.NEEDED_FOR)
    assert old not in published()
    with pytest.raises(RefusedError, match="retired already"):
        rotation.retire(old, OPERATOR, now=LATER + DAY)


def test_a_compromised_key_that_signs_is_replaced_in_the_same_moment_for_ever(keys):
    bad, coming = key_of("active"), key_of("next")
    with pytest.raises(TooEarlyError):
        rotation.remove_compromised(bad.kid, OPERATOR, now=SOON - SECOND)
    assert signs() == bad.kid
    rotation.remove_compromised(bad.kid, OPERATOR, now=SOON)
    assert signs() == coming.kid
    assert published() == {coming.kid, key_of("next").kid}
    bad.refresh_from_db()
    assert (bad.state, bad.compromised_at, bytes(bad.private_encrypted)) == ("retired", SOON, b"")
    for kid in ("", bad.kid):
        with pytest.raises(RefusedError):
            rotation.rollback("ES256", IN_A_HURRY, kid=kid, now=LATER)
    with pytest.raises(RefusedError, match="already"):
        rotation.remove_compromised(bad.kid, OPERATOR, now=LATER)


@pytest.mark.parametrize("state", ["next", "retiring", "retired"])
def test_a_compromised_key_goes_whatever_its_state(keys, state):
    rotation.rotate("ES256", OPERATOR, now=LATER)
    if state == "retired":
        rotation.rotate_due(LATER + periods.RETIRE_AFTER)
    bad, active = key_of(state).kid, signs()
    rotation.remove_compromised(bad, OPERATOR, now=LATER + 40 * DAY)
    assert bad not in published()
    assert signs() == active
    assert SigningKey.objects.get(kid=bad).seal == Seal.DESTROYED
    assert states().count("next") == 1


def test_a_token_of_a_compromised_key_is_nobodys_hint_any_more(keys):
    from tokens import id_token

    account()
    shop()
    token = Shopper().tokens()["id_token"]
    assert id_token.read_hint(token)
    rotation.remove_compromised(signs("RS256"), OPERATOR, now=datetime.now(UTC))
    ring.forget()
    assert id_token.read_hint(token) is None


def test_the_database_holds_no_compromised_key_that_is_published(keys):
    with pytest.raises(IntegrityError), transaction.atomic():
        SigningKey.objects.filter(state="active").update(compromised_at=START)


# --- Said and counted -----------------------------------------------------------------------------


def test_every_step_is_audited_with_who_did_it_and_why(keys):
    old, new = key_of("active").kid, key_of("next").kid
    first = AuditEvent.objects.count()
    rotation.rotate("ES256", Order("command jane", "drill", force=True), now=SOON)
    rotation.rollback("ES256", OPERATOR, now=SOON)
    rotation.remove_compromised(new, OPERATOR, now=SOON)
    events = list(AuditEvent.objects.order_by("id"))
    assert {event.actor for event in events[:first]} == {"job tokens.rotate_keys"}
    events = events[first:]
    seen = [(event.tag, event.details["kid"], event.details.get("reason")) for event in events]
    assert seen == [
        ("keys:signing_key:retiring", old, "drill"),
        ("keys:signing_key:activated", new, "drill"),
        ("keys:signing_key:published", key_of("next").kid, "drill"),
        ("keys:signing_key:retiring", new, None),
        ("keys:signing_key:rolled_back", old, None),
        ("keys:signing_key:compromised", new, None),
    ]  # fmt: skip
    assert {event.actor for event in events} == {"command jane"}
    assert {event.details["algorithm"] for event in events} == {"ES256"}


def test_a_refusal_changes_and_says_nothing(keys):
    before = (list(SigningKey.objects.values()), AuditEvent.objects.count())
    with pytest.raises(RefusedError):
        rotation.rotate("ES256", OPERATOR, now=SOON)
    assert (list(SigningKey.objects.values()), AuditEvent.objects.count()) == before


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(keys):
    rotation.rotate("ES256", OPERATOR, now=LATER)
    before = (list(SigningKey.objects.values()), AuditEvent.objects.count())
    order, retiring = Order("command jane", force=True, dry_run=True), key_of("retiring")
    for done in (
        rotation.rotate("ES256", order, now=LATER + DAY),
        rotation.rollback("ES256", order, now=LATER),
        rotation.retire(retiring.kid, order, now=LATER + 2 * DAY),
        rotation.remove_compromised(key_of("active").kid, order, now=LATER + DAY),
    ):
        assert len(done.lines) >= 1
    assert (list(SigningKey.objects.values()), AuditEvent.objects.count()) == before


def test_the_gauges_say_when_the_key_is_replaced_and_where_the_private_halves_lie(keys):
    figures = gauges.figures()
    assert figures.rotates_at == dict.fromkeys(ALGORITHMS, START + periods.SIGNS_FOR)
    assert dict(figures.seals) == {Seal.NEWEST: 6}
    # A key that was published late is not due before all can have it.
    late = START + periods.SIGNS_FOR
    SigningKey.objects.filter(state="next").update(created_at=late)
    assert set(gauges.figures().rotates_at.values()) == {late + periods.PUBLISH_AHEAD}


def test_two_who_rotate_at_once_wait_for_one_another(keys):
    with transaction.atomic(), connection.cursor() as cursor:
        rotation.rotate("ES256", OPERATOR, now=LATER)
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        assert cursor.fetchone()[0] >= 1
    # The second finds a next key that was published a moment ago.
    with pytest.raises(TooEarlyError):
        rotation.rotate("ES256", IN_A_HURRY, now=LATER)


# --- At rest --------------------------------------------------------------------------------------


@pytest.fixture
def secrets(settings):
    """Puts secrets into IDP_SECRET_KEYS, newest first, for this process."""

    def put(*values: str) -> None:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = values[0], list(values[1:])
        # Another process would open all anew.
        ring._cache._opened.clear()
        ring.forget()

    return put


def seals() -> set[Seal]:
    return {key.seal for key in SigningKey.objects.all()}


def test_no_private_key_is_readable_in_the_database(keys):
    for key in SigningKey.objects.all():
        assert b"PRIVATE" not in bytes(key.private_encrypted)
        assert "PRIVATE" not in str(key.public_jwk)
        assert vault.unseal(key.private_encrypted).startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_key_sealed_under_a_lost_secret_says_so():
    from cryptography.fernet import Fernet

    with pytest.raises(vault.LockedKeyError):
        vault.unseal(Fernet(Fernet.generate_key()).encrypt(b"x"))


def test_after_resealing_the_older_secret_can_leave(keys, secrets):
    secrets(OLD_SECRET)
    SigningKey.objects.all().delete()
    rotation.rotate_due(START)
    signed_with = signs()
    secrets(NEW_SECRET, OLD_SECRET)
    assert seals() == {Seal.OLDER}
    assert len(resealing.reseal(OPERATOR).lines) == 6
    assert seals() == {Seal.NEWEST}
    assert resealing.reseal(OPERATOR).lines == []
    secrets(NEW_SECRET)
    assert signs() == signed_with
    tags = AuditEvent.objects.filter(tag="keys:signing_key:resealed")
    assert tags.count() == 6


def test_beat_reseals_one_key_that_signs_nothing_and_the_rest_a_day_later(secrets):
    secrets(OLD_SECRET)
    rotation.rotate_due()
    assert resealing.reseal_due() == []
    secrets(NEW_SECRET, OLD_SECRET)
    now = datetime.now(UTC)
    (line,) = resealing.reseal_due(now)
    assert line.endswith("sealed under the newest secret")
    assert resealing.reseal_due(now + DAY - HOUR) == []
    # The way back of a roll-out that brought the secret: everything still signs.
    secrets(OLD_SECRET)
    assert set(ring.current().signers) == set(ALGORITHMS)
    secrets(NEW_SECRET, OLD_SECRET)
    assert len(resealing.reseal_due(now + DAY + HOUR)) == 5
    assert seals() == {Seal.NEWEST}


def test_beat_does_not_rotate_while_a_new_secret_proves_itself(secrets):
    secrets(OLD_SECRET)
    now = datetime.now(UTC)
    rotation.rotate_due(now - periods.SIGNS_FOR)
    before = signs()
    secrets(NEW_SECRET, OLD_SECRET)
    assert resealing.reseal_due(now)
    assert len([line for line in rotation.rotate_due(now) if "proved itself" in line]) == 3
    secrets(OLD_SECRET)
    assert signs() == before
    assert ring.current().locked == {}
    secrets(NEW_SECRET, OLD_SECRET)
    resealing.reseal_due(now + DAY + HOUR)
    rotation.rotate_due(now + DAY + HOUR)
    assert signs() != before


def test_without_its_secret_one_key_is_unusable_and_nothing_else(keys, secrets, caplog):
    account()
    gateway()
    shop()
    rs256 = key_of("active", "RS256")
    secrets(NEW_SECRET)
    for key in SigningKey.objects.exclude(algorithm="RS256"):
        private = jose.to_pem(jose.new_private_key(key.algorithm))
        SigningKey.objects.filter(pk=key.pk).update(private_encrypted=vault.seal(private))
    ring._cache._reported.clear()
    ring.forget()

    assert set(ring.current().signers) == {"ES256", "EdDSA"}
    assert rs256.kid in published("RS256")
    problem = (
        f"The RS256 key {rs256.kid} cannot be opened: "
        "The secret that sealed it is not in IDP_SECRET_KEYS."
    )
    with pytest.raises(ring.NoSigningKeyError) as raised:
        ring.current().signer("RS256")
    assert str(raised.value) == problem
    published()
    assert [r.getMessage() for r in caplog.records if r.name == ring.log.name] == [
        f"{problem} Nothing is signed with RS256."
    ]

    ready = Browser().get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["checks"]["signing_keys"] == f"degraded: {problem}"

    # A code whose ID token cannot be signed is not spent.
    shopper = Shopper()
    code = shopper.code()
    refused = shopper.exchange(code)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refused.json() == {
        "error": "temporarily_unavailable",
        "error_description": "Nothing can be signed with this algorithm right now.",
    }
    secrets(NEW_SECRET, *_secrets_of_the_tests())
    answer = shopper.exchange(code).json()
    assert jwt.get_unverified_header(answer["id_token"])["kid"] == rs256.kid


def _secrets_of_the_tests() -> list[str]:
    from tests.environment import SECRET_KEY

    return [SECRET_KEY]


def test_where_no_key_opens_the_instance_is_not_ready_and_still_publishes(keys, secrets):
    batch()
    gateway()
    grant = {"grant_type": "client_credentials"}
    token = post("/oauth2/token", grant, **basic("batch")).json()["access_token"]
    secrets(NEW_SECRET)
    ready = Browser().get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["signing_keys"].count("cannot be opened") == 3
    assert len(Browser().get("/.well-known/jwks.json").json()["keys"]) == 6
    assert exchanged(token).json()["error"] == "temporarily_unavailable"


def test_an_open_key_stays_open_when_another_instance_seals_it_under_a_newer_secret(keys, settings):
    before = signs()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW_SECRET, [settings.SECRET_KEY]
    resealing.reseal(OPERATOR)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = settings.SECRET_KEY_FALLBACKS[0], []
    assert signs() == before
    assert ring.current().locked == {}


def test_no_active_key_at_all_is_not_ready():
    ready = Browser().get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["signing_keys"] == "no active signing key"


# --- The ring -------------------------------------------------------------------------------------


def test_a_process_reads_the_keys_again_after_some_seconds_and_not_before(
    keys, monkeypatch, django_assert_num_queries
):
    seconds = [1000.0]
    monkeypatch.setattr(ring.time, "monotonic", lambda: seconds[0])
    ring.forget()
    before = ring.current().signer("ES256").kid
    rotation.rotate("ES256", OPERATOR, now=LATER)
    seconds[0] += periods.RING_SECONDS
    with django_assert_num_queries(0):
        assert ring.current().signer("ES256").kid == before
    seconds[0] += 0.1
    with django_assert_num_queries(1):
        assert ring.current().signer("ES256").kid != before


# --- The command ----------------------------------------------------------------------------------


def test_the_list_shows_each_key_and_what_comes(keys):
    rotation.rotate("ES256", OPERATOR, now=LATER)
    SigningKey.objects.filter(state="next", algorithm="RS256").update(private_encrypted=b"lost")
    code, text = run("list")
    lines = text.splitlines()
    assert code == 0
    assert lines[0].split("  ")[0] == "key ID"
    assert len(lines) == 1 + 7 + 2
    (retiring,) = [line for line in lines if "retiring" in line]
    assert retiring.split() == [
        key_of("retiring").kid, "ES256", "retiring", "2026-01-01",
        "leaves", "the", "JWKS", "2026-02-14", "newest", "secret",
    ]  # fmt: skip
    assert "replaced 2026-04-15" in text
    assert "A secret is missing in IDP_SECRET_KEYS" in lines[-1]
    assert len(run("list", "--algorithm", "ES256")[1].splitlines()) == 4


def test_the_list_says_when_an_older_secret_is_still_needed(secrets):
    secrets(OLD_SECRET)
    rotation.rotate_due(START)
    secrets(NEW_SECRET, OLD_SECRET)
    assert "An older secret is still needed" in run("list")[1]
    assert run("reseal", "--dry-run")[1].endswith("nothing is changed.\n")
    assert seals() == {Seal.OLDER}
    assert run("reseal")[0] == 0
    assert "older" not in run("list")[1]
    assert run("reseal") == (0, "Nothing to do.\n")


def test_reseal_names_the_keys_whose_secret_is_missing(keys, secrets):
    secrets(NEW_SECRET)
    code, text = run("reseal")
    assert code == 1
    assert text.count("cannot be opened, its secret is not in IDP_SECRET_KEYS") == 6
    assert text.endswith("What cannot be opened stays as it is: put its secret back.")


def test_rotate_and_back_by_command(keys):
    kids = [key_of("active").kid, key_of("next").kid]
    code, text = run("rotate", "--algorithm", "ES256", "--reason", "a drill")
    assert (code, text.splitlines()[1]) == (0, f"ES256 {kids[1]}: signs")
    assert run("rotate", "--algorithm", "ES256", "--force") == (
        3, f"ES256 {key_of('next').kid} is not in every process yet: again in 15 seconds.",
    )  # fmt: skip
    assert run("rollback", "--algorithm", "ES256")[0] == 0
    assert signs() == kids[0]
    event = AuditEvent.objects.filter(tag="keys:signing_key:activated").latest("id")
    assert event.actor.startswith("command ")
    assert event.details["reason"] == "a drill"


def test_what_is_only_begun_has_its_own_exit_code(keys):
    SigningKey.objects.filter(state="next").delete()
    active = key_of("active").kid
    code, text = run("retire", active, "--compromised")
    assert (code, text.splitlines()[-1]) == (3, "Nothing is removed yet: again in 15 seconds.")
    key_of("next").delete()
    code, text = run("rotate", "--algorithm", "ES256")
    assert (code, text.splitlines()[-1]) == (
        3, "Nothing else signs yet: again in 15 seconds with --force, or 14 days from now.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["retire", "nothing"], "No key has an ID that begins with nothing; see `keys list`."),
        (["rollback", "--algorithm", "EdDSA"], "No EdDSA key has signed before the present one."),
    ],
)
def test_a_refusal_is_one_line(keys, arguments: list[str], problem: str):
    assert run(*arguments) == (1, problem)


@pytest.mark.parametrize("arguments", [[], ["rotate"], ["rotate", "--algorithm", "HS256"]])
def test_what_the_command_does_not_know_is_refused(arguments: list[str]):
    with pytest.raises(CommandError):
        call_command("keys", *arguments)


# --- For operators in the browser -----------------------------------------------------------------


def test_the_admin_shows_what_comes_and_warns_of_a_key_that_cannot_be_opened(keys):
    operator = login_service("operators").users.create(
        external_id="root", is_staff=True, is_superuser=True
    )
    browser, address = Browser(), "/admin/tokens/signingkey/"
    browser.force_login(operator)
    page = browser.get(address).content.decode()
    assert "replaced 2026-04-01" in page
    assert "cannot be opened" not in page
    lost = key_of("next")
    SigningKey.objects.filter(pk=lost.pk).update(private_encrypted=b"lost")
    page = browser.get(address).content.decode()
    assert f"ES256 {lost.kid} (next) cannot be opened" in page
    assert "missing secret" in browser.get(f"{address}{lost.pk}/change/").content.decode()


# --- The JWKS over HTTP ---------------------------------------------------------------------------


def jwks(**headers: str) -> Any:
    return Browser().get("/.well-known/jwks.json", **headers)


def test_who_has_the_jwks_asks_whether_it_has_changed(keys):
    first = jwks()
    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert "Pragma" not in first.headers
    assert "Cookie" not in first.headers.get("Vary", "")
    etag = first.headers["ETag"]
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        same = jwks(HTTP_IF_NONE_MATCH=given)
        assert (same.status_code, same.content) == (304, b"")
        for name in ("ETag", "Cache-Control", "Access-Control-Allow-Origin"):
            assert same.headers[name] == first.headers[name]
    ring.forget()
    assert jwks().headers["ETag"] == etag

    rotation.rotate("ES256", OPERATOR, now=LATER)
    ring.forget()
    changed = jwks(HTTP_IF_NONE_MATCH=etag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    assert len(changed.json()["keys"]) == 7


def test_the_discovery_document_names_the_algorithms_that_a_client_may_choose(keys):
    document = Browser().get("/.well-known/openid-configuration").json()
    assert document["id_token_signing_alg_values_supported"] == ALGORITHMS
    from clients_admin.flags import BY_NAME

    for flag in ("id_token_alg", "jwt_alg"):
        assert set(BY_NAME[flag].choices) == set(ALGORITHMS)
