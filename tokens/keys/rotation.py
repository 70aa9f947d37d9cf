"""The life of a signing key: next (published) → active → retiring → retired.

A key is published well before it signs, and stays until the last token that it signed has ended.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from idp import jose
from tokens.keys import vault
from tokens.keys.models import SigningKey

ALGORITHMS = tuple(SigningKey.Algorithm)
# A verifier that has fetched the JWKS may keep it for this long before it sees a new key.
PUBLISH_AHEAD = timedelta(days=14)
SIGNS_FOR = timedelta(days=90)
# Longer than any token that is signed here can live; see the limits of the client flags.
RETIRE_AFTER = timedelta(days=14)
ADVISORY_LOCK = 0x1D9_0002

State = SigningKey.State


def rotate_due(now: datetime | None = None) -> list[str]:
    """Does for each algorithm what is due; answers what was done, one line each."""
    now = now or timezone.now()
    done: list[str] = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        for algorithm in ALGORITHMS:
            done += _rotate_due(algorithm, now)
    return done


def _rotate_due(algorithm: str, now: datetime) -> list[str]:
    keys = SigningKey.objects.filter(algorithm=algorithm)
    active = keys.filter(state=State.ACTIVE).first()
    coming = keys.filter(state=State.NEXT).first()
    done = []
    if active is None:
        # The first key of all signs at once: nobody has fetched a JWKS without it.
        done.append(_activate(coming or _make(algorithm, now), now))
    elif (active.activated_at or now) + SIGNS_FOR - PUBLISH_AHEAD <= now:
        if coming is None:
            done.append(f"{algorithm}: published {_make(algorithm, now).kid}")
        elif coming.created_at + PUBLISH_AHEAD <= now:
            active.state, active.retiring_at = State.RETIRING, now
            active.save()
            done.append(_activate(coming, now))
    for key in keys.filter(state=State.RETIRING, retiring_at__lte=now - RETIRE_AFTER):
        key.state, key.retired_at = State.RETIRED, now
        key.save()
        done.append(f"{algorithm}: retired {key.kid}")
    return done


def _make(algorithm: str, now: datetime) -> SigningKey:
    key = jose.new_private_key(algorithm)
    jwk = jose.public_jwk(key, algorithm)
    return SigningKey.objects.create(
        kid=jwk["kid"],
        algorithm=algorithm,
        state=State.NEXT,
        public_jwk=jwk,
        private_encrypted=vault.seal(jose.to_pem(key)),
        created_at=now,
    )


def _activate(key: SigningKey, now: datetime) -> str:
    key.state, key.activated_at = State.ACTIVE, now
    key.save()
    return f"{key.algorithm}: {key.kid} signs"
