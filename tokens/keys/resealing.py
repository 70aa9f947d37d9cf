"""Moves private keys from an older secret to the newest, so that the older one can be let go.

A roll-out that brings a new secret must have a way back. So beat first seals one key under it that
signs nothing; only after SECRET_PROVES_ITSELF_FOR, when every instance surely has the secret, the
others follow. An operator who knows better says `manage.py keys reseal`.
"""

from datetime import datetime

from tokens.keys.models import SigningKey
from tokens.keys.orders import JOB, Done, Order, exclusive
from tokens.keys.periods import SECRET_PROVES_ITSELF_FOR
from tokens.keys.vault import Seal, sealed_at


def reseal(order: Order, *, now: datetime | None = None) -> Done:
    """Seals all that opens. It is complete when no key is under a secret that is missing here."""
    with exclusive(order, now) as steps:
        keys = list(SigningKey.objects.all())
        for key in _under(Seal.OLDER, keys):
            steps.reseal(key)
        missing = _under(Seal.MISSING, keys)
        steps.lines += [
            f"{key.algorithm} {key.kid}: cannot be opened, its secret is not in IDP_SECRET_KEYS"
            for key in missing
        ]
    return Done(steps.lines, is_complete=not missing)


def reseal_due(now: datetime | None = None, *, actor: str = JOB) -> list[str]:
    """The part of it that is safe by now; answers what was done, one line each."""
    if not _under(Seal.OLDER, list(SigningKey.objects.all())):
        return []
    with exclusive(Order(actor), now) as steps:
        keys = list(SigningKey.objects.all())
        for key in _safe_to_reseal(keys, steps.now):
            steps.reseal(key)
    return steps.lines


def _safe_to_reseal(keys: list[SigningKey], now: datetime) -> list[SigningKey]:
    older = _under(Seal.OLDER, keys)
    under_newest = [sealed_at(key.private_encrypted) for key in _under(Seal.NEWEST, keys)]
    if not under_newest:
        return [key for key in older if key.state == SigningKey.State.NEXT][:1]
    return older if min(under_newest) + SECRET_PROVES_ITSELF_FOR <= now else []


def _under(seal: Seal, keys: list[SigningKey]) -> list[SigningKey]:
    return [key for key in keys if key.seal == seal]
