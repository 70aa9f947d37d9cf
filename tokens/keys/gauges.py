"""What dashboards see of the signing keys; beat looks every hour, a command at once."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from idp import metrics
from tokens.keys import vault
from tokens.keys.models import SigningKey
from tokens.keys.periods import PUBLISH_AHEAD, SIGNS_FOR


@dataclass(frozen=True, slots=True)
class Figures:
    """When each algorithm's key is replaced, and how many private keys lie under which secret."""

    rotates_at: dict[str, datetime]
    seals: Counter[vault.Seal]


def figures() -> Figures:
    keys = list(SigningKey.objects.all())
    return Figures(rotations(keys), Counter(key.seal for key in keys))


def rotations(keys: list[SigningKey]) -> dict[str, datetime]:
    """When beat will replace the key that signs, by algorithm."""
    coming = {key.algorithm: key for key in keys if key.state == SigningKey.State.NEXT}
    return {
        key.algorithm: _rotates_at(key.activated_at, coming.get(key.algorithm))
        for key in keys
        if key.state == SigningKey.State.ACTIVE and key.activated_at
    }


def show(seen: Figures) -> None:
    for algorithm, moment in seen.rotates_at.items():
        metrics.SIGNING_KEY_ROTATION_TIMESTAMP.labels(algorithm=algorithm).set(moment.timestamp())
    for seal in vault.Seal:
        metrics.SIGNING_KEYS.labels(seal=seal).set(seen.seals[seal])


def _rotates_at(activated_at: datetime, coming: SigningKey | None) -> datetime:
    due_at = activated_at + SIGNS_FOR
    return max(due_at, coming.published_since + PUBLISH_AHEAD) if coming else due_at
