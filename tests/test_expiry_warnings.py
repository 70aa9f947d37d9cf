"""What ends by itself is told of 30, 14, 7 and 1 days before, once, whoever runs the job."""

import base64
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from django.db import connection

from clients_admin import expiry, secrets
from clients_admin.models import Client
from idp import notifications
from idp.accounts.models import LoginService, TrustedIssuer
from idp.audit.models import AuditEvent
from idp.celery import app
from idp.expiry_warnings import DAYS, ENDED, ExpiryWarning, step
from tests.configuration import batch
from tests.test_metrics import scraped
from tokens import cleanup

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of what was sent."""
    titles: list[str] = []
    monkeypatch.setattr(notifications, "send", lambda title, _body="": titles.append(title))
    return titles


def certificate(ends_at: datetime, name: str = "Corporate") -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends_at - 90 * DAY)
        .not_valid_after(ends_at)
        .sign(key, hashes.SHA256())
    )


def pem(made: x509.Certificate) -> str:
    return made.public_bytes(Encoding.PEM).decode()


def public_key_pem() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def issuer(*pems: str, name: str = "corporate", **fields: object) -> TrustedIssuer:
    service, _ = LoginService.objects.get_or_create(name="staff", kind="corporate")
    return TrustedIssuer.objects.create(
        **{"name": name, "issuer": f"https://{name}.example", "audience": "idp", **fields},
        login_service=service,
        public_keys=list(pems),
    )


def jwks(*chains: object) -> dict[str, object]:
    return {"keys": [{"kty": "EC", "x5c": chain} for chain in chains]}


def x5c(made: x509.Certificate) -> str:
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


# --- When -----------------------------------------------------------------------------------------


def test_each_step_is_due_from_its_day_on_and_never_before():
    for days in DAYS:
        assert step(NOON + days * DAY, NOON) == days
        assert step(NOON + days * DAY, NOON - SECOND) != days
    assert step(NOON + 30 * DAY + SECOND, NOON) is None
    assert step(NOON + 2 * DAY, NOON) == 7
    assert step(NOON + SECOND, NOON) == 1
    assert step(NOON, NOON) == step(NOON - 900 * DAY, NOON) == ENDED


def test_an_hourly_job_warns_five_times_and_at_the_right_hours(db, told):
    ends_at = NOON + 31 * DAY
    issuer(pem(certificate(ends_at)))
    at = []
    for hour in range(33 * 24):
        now = NOON + 7 * SECOND + hour * HOUR
        if expiry.warn(now):
            at.append(now)
    assert [math.floor((ends_at - now) / HOUR) for now in at] == [30 * 24 - 1, 335, 167, 23, -1]
    assert told == [
        "The issuer certificate of corporate ends within 30 days",
        "The issuer certificate of corporate ends within 14 days",
        "The issuer certificate of corporate ends within 7 days",
        "The issuer certificate of corporate ends within 1 day",
        "The issuer certificate of corporate has ended",
    ]


def test_after_a_pause_only_the_latest_step_is_sent_with_the_days_that_are_left(db, told):
    issuer(pem(certificate(NOON + 5 * DAY)))
    assert (expiry.warn(NOON), expiry.warn(NOON)) == (1, 0)
    assert told == ["The issuer certificate of corporate ends within 5 days"]
    assert list(ExpiryWarning.objects.values_list("days", flat=True)) == [7]


def test_what_has_ended_already_is_told_of_once_and_again_after_a_year(db, told):
    issuer(pem(certificate(NOON - 400 * DAY)))
    for hour in range(3):
        expiry.warn(NOON + hour * HOUR)
        cleanup.RULES["idp_expirywarning"].clean(NOON + hour * HOUR)
    assert told == ["The issuer certificate of corporate has ended"]
    cleanup.RULES["idp_expirywarning"].clean(NOON + 365 * DAY)
    assert expiry.warn(NOON + 365 * DAY) == 1


# --- What -----------------------------------------------------------------------------------------


def test_each_certificate_of_an_issuer_counts_and_a_plain_key_has_no_end(db, told):
    issuer(public_key_pem(), pem(certificate(NOON + DAY)), pem(certificate(NOON + 90 * DAY)))
    issuer("no key at all", pem(certificate(NOON + 7 * DAY)), name="other")
    issuer(pem(certificate(NOON + DAY)), name="off", is_enabled=False)
    expiry.warn(NOON)
    assert told == [
        "The issuer certificate of corporate ends within 1 day",
        "The issuer certificate of other ends within 7 days",
    ]


def test_a_successor_is_another_certificate(db, told):
    row = issuer(pem(certificate(NOON + DAY)))
    expiry.warn(NOON)
    TrustedIssuer.objects.filter(pk=row.pk).update(public_keys=[pem(certificate(NOON + 14 * DAY))])
    expiry.warn(NOON)
    assert told[1] == "The issuer certificate of corporate ends within 14 days"


@pytest.mark.parametrize(
    "set_of_keys",
    [
        *(None, [], "x", 7, {}, {"keys": None}, {"keys": [None, 1, "x", []]}),
        jwks(None, [], [None], [{}], ["%"], ["AAAA"], "AAAA", ["A" * 20_000], ["é"]),
    ],
)
def test_what_is_no_certificate_is_passed_over(db, told, set_of_keys):
    Client.objects.create(client_id="odd", jwks=set_of_keys)
    made = certificate(NOON + 14 * DAY)
    Client.objects.create(client_id="partner", jwks=jwks([x5c(made), "the issuer's"], []))
    Client.objects.create(client_id="off", jwks=jwks([x5c(made)]), is_active=False)
    expiry.warn(NOON)
    assert told == ["The client certificate of partner ends within 14 days"]


def test_a_secret_with_an_end_is_warned_of_and_one_without_is_not(db, told):
    client = batch()
    secrets.rotate(client, old_ends_in=30 * DAY, now=NOON)
    for days in (0, 15, 16, 23, 29, 30, 40):
        expiry.warn(NOON + days * DAY)
    # Whoever chose thirty days knows of them.
    assert told == [
        "The client secret of batch ends within 14 days",
        "The client secret of batch ends within 7 days",
        "The client secret of batch ends within 1 day",
        "The client secret of batch has ended",
    ]


def test_who_ends_a_secret_at_once_is_not_told_that_it_has_ended(db, told):
    secrets.rotate(batch(), old_ends_in=timedelta(), now=NOON)
    expiry.warn(NOON + SECOND)
    assert told == []


def test_an_end_never_moves_away_and_may_come_nearer(db):
    known = batch().secrets.get()
    assert secrets.end(known, ends_at=NOON + 7 * DAY, now=NOON)
    assert not secrets.end(known, ends_at=NOON + 8 * DAY, now=NOON)
    assert secrets.end(known, ends_at=NOON + DAY, now=NOON)
    assert secrets.end(known, now=NOON)
    assert not secrets.end(known, now=NOON + SECOND)


# --- How ------------------------------------------------------------------------------------------


def measured(kind: str, name: str) -> float:
    labels = frozenset({"kind": kind, "name": name}.items())
    return scraped()["idp_expiry_timestamp_seconds", labels]


def test_a_warning_is_audited_and_measured(db):
    issuer(pem(certificate(NOON + 90 * DAY)), pem(certificate(NOON + 7 * DAY)))
    secrets.rotate(batch(), old_ends_in=DAY, now=NOON)
    expiry.warn(NOON + SECOND)
    event = AuditEvent.objects.get(tag="clients:expiry:warned")
    assert event.details == {
        "kind": "issuer_certificate",
        "name": "corporate",
        "subject": ExpiryWarning.objects.get(days=7).subject,
        "ends_at": (NOON + 7 * DAY).isoformat(),
        "days": 7,
    }
    assert measured("issuer_certificate", "corporate") == (NOON + 7 * DAY).timestamp()
    assert measured("client_secret", "batch") == (NOON + DAY).timestamp()
    TrustedIssuer.objects.all().delete()
    expiry.warn(NOON)
    assert math.isnan(measured("issuer_certificate", "corporate"))


def test_a_warning_that_is_not_written_is_not_sent(transactional_db, monkeypatch):
    """The real `send` waits for the commit."""
    monkeypatch.undo()
    sent: list[str] = []
    monkeypatch.setattr(notifications, "_enqueue", lambda title, _: sent.append(title))
    issuer(pem(certificate(NOON + DAY)))

    def fail(*_: object, **__: object) -> None:
        notifications.send("too early")
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(expiry, "_body", fail)
        with pytest.raises(ZeroDivisionError):
            expiry.warn(NOON)
    assert (sent, ExpiryWarning.objects.count()) == ([], 0)
    assert expiry.warn(NOON) == 1
    assert sent == ["The issuer certificate of corporate ends within 1 day"]


def test_jobs_that_run_at_once_send_one_warning(transactional_db, told):
    issuer(*(pem(certificate(NOON + days * DAY)) for days in (1, 7, 14)))
    workers = 4
    barrier = Barrier(workers)

    def run() -> int:
        try:
            barrier.wait()
            return expiry.warn(NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        warned = list(pool.map(lambda _: run(), range(workers)))
    assert sum(warned) == len(told) == 3
    assert AuditEvent.objects.filter(tag="clients:expiry:warned").count() == 3
    assert ExpiryWarning.objects.count() == 3


def test_beat_starts_it_every_hour(db, told):
    app.loader.import_default_modules()
    issuer(pem(certificate(datetime.now(UTC) + DAY - HOUR)))
    app.tasks["tokens.warn_of_expiry"].apply(throw=True)
    assert told == ["The issuer certificate of corporate ends within 1 day"]
