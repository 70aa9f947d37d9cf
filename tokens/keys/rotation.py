"""The life of a signing key: next (published) → active → retiring → retired, and back.

    published ──► next ──rotate──► active ──rotate──► retiring ──retire──► retired
                                      ▲               │      ▲               │
                                      └───rollback────┘      └───rollback────┘

`periods` says why this is safe at any moment. There is always a next key, so that a rotation never
has to wait for one. A key that has signed never becomes the next one again: a rollback lets the
present key retire, published, and leaves the next as it is. The way forward is a second rollback.
"""

import math
from datetime import datetime, timedelta

from tokens.keys.models import SigningKey, SigningKeys
from tokens.keys.orders import (
    JOB,
    Done,
    NotFetchedError,
    Order,
    RefusedError,
    TooEarlyError,
    exclusive,
)
from tokens.keys.periods import (
    KNOWN_EVERYWHERE_AFTER,
    NEEDED_FOR,
    PUBLISH_AHEAD,
    RETIRE_AFTER,
    SIGNS_FOR,
)
from tokens.keys.steps import Steps
from tokens.keys.vault import Seal

ALGORITHMS = tuple(SigningKey.Algorithm)

State = SigningKey.State


def rotate_due(now: datetime | None = None, *, actor: str = JOB) -> list[str]:
    """Does for each algorithm what is due; answers what was done, one line each."""
    with exclusive(Order(actor), now) as steps:
        for algorithm in ALGORITHMS:
            _rotate_due(algorithm, steps)
    return steps.lines


def rotate(algorithm: str, order: Order, *, now: datetime | None = None) -> Done:
    """The next key signs. Raises RefusedError."""
    with exclusive(order, now) as steps:
        coming = _with_state(State.NEXT, algorithm)
        if coming is None:
            _ensure_next(algorithm, steps)
            return Done(steps.lines, is_complete=False)
        _check_opens(coming)
        _check_known(coming, steps.now, force=order.force)
        _let_active_retire(algorithm, steps)
        steps.activate(coming)
        _ensure_next(algorithm, steps)
    return Done(steps.lines)


def rollback(algorithm: str, order: Order, *, kid: str = "", now: datetime | None = None) -> Done:
    """The key that signed before signs again; or another one that has, by the beginning of its ID.

    One that has left the JWKS is published again, and signs when asked for a second time. Raises
    RefusedError.
    """
    with exclusive(order, now) as steps:
        back = _signed_before(algorithm, kid)
        _check_opens(back)
        if back.state == State.RETIRED:
            steps.publish_again(back)
            return Done(steps.lines, is_complete=False)
        if not back.has_signed_since_published:
            _check_known(back, steps.now, force=order.force)
        _let_active_retire(algorithm, steps)
        steps.roll_back_to(back)
        _ensure_next(algorithm, steps)
    return Done(steps.lines)


def retire(kid: str, order: Order, *, now: datetime | None = None) -> Done:
    """A key leaves the JWKS, where nothing needs it any more. Raises RefusedError."""
    with exclusive(order, now) as steps:
        key = _named(SigningKey.objects.all(), kid)
        _check_unneeded(key, steps.now)
        steps.retire(key)
        _ensure_next(key.algorithm, steps)
    return Done(steps.lines)


def remove_compromised(kid: str, order: Order, *, now: datetime | None = None) -> Done:
    """A key that somebody else may have leaves the JWKS at once, whatever it has signed.

    If it is the one that signs, the next takes over in the same moment. Raises RefusedError.
    """
    with exclusive(order, now) as steps:
        key = _named(SigningKey.objects.all(), kid)
        if key.compromised_at:
            raise RefusedError(
                f"{_name(key)} was removed at {_minute(key.compromised_at)} already."
            )
        coming = _with_state(State.NEXT, key.algorithm) if key.state == State.ACTIVE else None
        if key.state == State.ACTIVE:
            if coming is None:
                _ensure_next(key.algorithm, steps)
                return Done(steps.lines, is_complete=False)
            _check_opens(coming)
            _check_known(coming, steps.now, force=True)
        steps.destroy(key)
        if coming:
            steps.activate(coming)
        _ensure_next(key.algorithm, steps)
    return Done(steps.lines)


def _rotate_due(algorithm: str, steps: Steps) -> None:
    active, coming = _with_state(State.ACTIVE, algorithm), _with_state(State.NEXT, algorithm)
    if active is None:
        # The first key of all signs at once: nobody has fetched a JWKS without it.
        steps.activate(coming or steps.publish(algorithm))
    elif coming and _is_due(active, coming, steps.now):
        if coming.is_locked:
            steps.lines.append(f"{_name(coming)} cannot be opened here, so it does not sign yet")
        elif active.seal == Seal.OLDER:
            # Two changes at once; see `resealing`, which comes first.
            steps.lines.append(f"{_name(coming)} waits until the newest secret has proved itself")
        else:
            steps.stop_signing(active)
            steps.activate(coming)
    _ensure_next(algorithm, steps)
    for key in SigningKey.objects.filter(
        algorithm=algorithm, state=State.RETIRING, retiring_at__lte=steps.now - RETIRE_AFTER
    ):
        steps.retire(key)


def _is_due(active: SigningKey, coming: SigningKey, now: datetime) -> bool:
    signs_since = active.activated_at or now
    return signs_since + SIGNS_FOR <= now and coming.published_since + PUBLISH_AHEAD <= now


def _let_active_retire(algorithm: str, steps: Steps) -> None:
    if active := _with_state(State.ACTIVE, algorithm):
        steps.stop_signing(active)


def _ensure_next(algorithm: str, steps: Steps) -> None:
    if _with_state(State.NEXT, algorithm) is None:
        steps.publish(algorithm)


def _with_state(state: State, algorithm: str) -> SigningKey | None:
    return SigningKey.objects.filter(algorithm=algorithm, state=state).first()


def _signed_before(algorithm: str, kid: str) -> SigningKey:
    keys = SigningKey.objects.filter(algorithm=algorithm)
    if kid:
        wanted = _named(keys, kid)
        if wanted not in keys.have_signed():
            raise RefusedError(f"{_name(wanted)} is nothing to go back to: {_situation(wanted)}.")
        return wanted
    before = keys.have_signed()
    # One that is published needs no waiting.
    key = before.published().first() or before.first()
    if key is None:
        raise RefusedError(f"No {algorithm} key has signed before the present one.")
    return key


def _named(keys: SigningKeys, kid: str) -> SigningKey:
    """The one key whose ID begins so."""
    found = list(keys.filter(kid__startswith=kid)[:2])
    if len(found) != 1:
        number = "More than one" if found else "No"
        raise RefusedError(f"{number} key has an ID that begins with {kid}; see `keys list`.")
    return found[0]


def _check_opens(key: SigningKey) -> None:
    if key.is_locked:
        raise RefusedError(
            f"{_name(key)} cannot sign: the secret that sealed it is not in IDP_SECRET_KEYS."
        )


def _check_known(key: SigningKey, now: datetime, *, force: bool) -> None:
    """A key must not sign before those who publish it, and those who verify, have it."""
    missing = key.published_since + KNOWN_EVERYWHERE_AFTER - now
    if missing > timedelta():
        seconds = math.ceil(missing.total_seconds())
        raise TooEarlyError(
            f"{_name(key)} is not in every process yet: again in {seconds} seconds."
        )
    known_at = key.published_since + PUBLISH_AHEAD
    if now < known_at and not force:
        raise NotFetchedError(
            f"{_name(key)} is published since {_minute(key.published_since)}; that all who verify "
            f"have it is sure from {_minute(known_at)} on."
        )


def _check_unneeded(key: SigningKey, now: datetime) -> None:
    if key.state == State.ACTIVE:
        raise RefusedError(f"{_name(key)} signs. Rotate or roll back first.")
    if key.state == State.RETIRED:
        raise RefusedError(f"{_name(key)} is retired already.")
    needed_until = key.retiring_at + NEEDED_FOR if key.retiring_at else now
    if now < needed_until:
        raise RefusedError(
            f"{_name(key)} is needed until {_minute(needed_until)}: until then its tokens may live."
        )


def _situation(key: SigningKey) -> str:
    if key.compromised_at:
        return "it was compromised"
    return "it signs" if key.state == State.ACTIVE else "it has never signed"


def _name(key: SigningKey) -> str:
    return f"{key.algorithm} {key.kid}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
