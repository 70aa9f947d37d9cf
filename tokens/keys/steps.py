"""The steps of a signing key's life, and the one place that writes them.

Each changes one row and leaves one audit event in the transaction of the caller, and is counted.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction

from idp import jose, metrics
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens.keys import vault
from tokens.keys.models import SigningKey

State = SigningKey.State


def _fresh(algorithm: str) -> tuple[jose.PrivateKey, dict[str, str]]:
    """A key and its JWK, whose `kid` can be an argument of `keys retire`: one in 64 thumbprints
    begins with a dash, and would be read as an option."""
    while True:
        private = jose.new_private_key(algorithm)
        jwk = jose.public_jwk(private, algorithm)
        if not jwk["kid"].startswith("-"):
            return private, jwk


@dataclass(slots=True)
class Steps:
    """What one job or operator does at one moment; `lines` says it in words."""

    now: datetime
    actor: str
    reason: str = ""
    lines: list[str] = field(default_factory=list)

    def publish(self, algorithm: str) -> SigningKey:
        """A fresh key, in the JWKS from now on."""
        private, jwk = _fresh(algorithm)
        key = SigningKey.objects.create(
            kid=jwk["kid"],
            algorithm=algorithm,
            state=State.NEXT,
            public_jwk=jwk,
            private_encrypted=vault.seal(jose.to_pem(private)),
            created_at=self.now,
        )
        self._tell(key, Tag.KEYS_SIGNING_KEY_PUBLISHED, "published, signs nothing yet")
        return key

    def publish_again(self, key: SigningKey) -> None:
        """A retired key that is to sign once more, as soon as everybody has it."""
        self._change(key, State.RETIRING, published_again_at=self.now, retiring_at=self.now,
                     retired_at=None)  # fmt: skip
        self._tell(key, Tag.KEYS_SIGNING_KEY_PUBLISHED, "published again, signs nothing yet")

    def activate(self, key: SigningKey) -> None:
        self._change(key, State.ACTIVE, activated_at=self.now)
        self._tell(key, Tag.KEYS_SIGNING_KEY_ACTIVATED, "signs")

    def roll_back_to(self, key: SigningKey) -> None:
        """Signs once more, for as long as a new one would: beat must not undo it."""
        self._change(key, State.ACTIVE, activated_at=self.now, retiring_at=None)
        self._tell(key, Tag.KEYS_SIGNING_KEY_ROLLED_BACK, "signs again")

    def stop_signing(self, key: SigningKey) -> None:
        self._change(key, State.RETIRING, retiring_at=self.now)
        self._tell(key, Tag.KEYS_SIGNING_KEY_RETIRING, "signs no more, stays published")

    def retire(self, key: SigningKey) -> None:
        """Leaves the JWKS."""
        self._change(key, State.RETIRED, retired_at=self.now)
        self._tell(key, Tag.KEYS_SIGNING_KEY_RETIRED, "no longer published")

    def destroy(self, key: SigningKey) -> None:
        """Compromised: leaves the JWKS, and its private half is gone for ever."""
        self._change(key, State.RETIRED, retired_at=key.retired_at or self.now,
                     compromised_at=self.now, private_encrypted=b"")  # fmt: skip
        self._tell(key, Tag.KEYS_SIGNING_KEY_COMPROMISED, "compromised: removed and destroyed")

    def reseal(self, key: SigningKey) -> None:
        """Encrypts anew, with the time of now: MultiFernet.rotate() would keep that of before."""
        key.private_encrypted = vault.seal(vault.unseal(key.private_encrypted))
        key.save(update_fields=["private_encrypted"])
        self._tell(key, Tag.KEYS_SIGNING_KEY_RESEALED, "sealed under the newest secret")

    def _change(self, key: SigningKey, state: State, **values: Any) -> None:
        for name, value in values.items():
            setattr(key, name, value)
        key.state = state
        key.save(update_fields=["state", *values])

    def _tell(self, key: SigningKey, tag: Tag, words: str) -> None:
        why: dict[str, Any] = {"reason": self.reason} if self.reason else {}
        record(tag, actor=self.actor, at=self.now, kid=key.kid, algorithm=key.algorithm, **why)
        count = partial(
            metrics.count,
            metrics.SIGNING_KEY_STEPS,
            algorithm=key.algorithm,
            step=tag.rpartition(":")[2],
        )
        transaction.on_commit(count)  # What was only tried was never done.
        self.lines.append(f"{key.algorithm} {key.kid}: {words}")
