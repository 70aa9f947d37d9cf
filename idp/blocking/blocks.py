"""The one writer of blocks: making one when a limit is reached, lifting one before its time."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from idp import metrics, notifications
from idp.audit.record import record
from idp.audit.tags import Tag
from idp.blocking.limits import QUIET, Limits, Reason, duration
from idp.blocking.models import Block

BY_TIME = "time"
Kind, Effect = Block.Kind, Block.Effect

_MADE = {
    (Kind.ADDRESS, Effect.REFUSE): Tag.BLOCKING_ADDRESS_BLOCKED,
    (Kind.USER, Effect.REFUSE): Tag.BLOCKING_USER_BLOCKED,
    (Kind.ADDRESS, Effect.SHADOW): Tag.BLOCKING_ADDRESS_SHADOWED,
    (Kind.USER, Effect.SHADOW): Tag.BLOCKING_USER_SHADOWED,
    (Kind.ADDRESS, Effect.WARNING): Tag.BLOCKING_ADDRESS_NOT_FORWARDED,
}
_LIFTED = {
    Kind.ADDRESS: Tag.BLOCKING_ADDRESS_UNBLOCKED,
    Kind.USER: Tag.BLOCKING_USER_UNBLOCKED,
}
_TITLES = {
    (Kind.ADDRESS, Effect.REFUSE): "Address {} is blocked",
    (Kind.USER, Effect.REFUSE): "User {} is blocked",
    (Kind.ADDRESS, Effect.SHADOW): "Address {} would be blocked (shadow mode)",
    (Kind.USER, Effect.SHADOW): "User {} would be blocked (shadow mode)",
    (Kind.ADDRESS, Effect.WARNING): "An application at {} does not forward the addresses of users",
}
REASONS = {
    Reason.NAMES: "many names failed",
    Reason.REPEATS: "the same names failed many times",
    Reason.CLIENTS: "clients failed very many times",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a block is made for. `names` are as operators may read them."""

    reason: Reason
    what: tuple[str, ...]
    names: tuple[str, ...]
    name_count: int
    attempts: int
    client_id: str = ""


def make(  # noqa: PLR0913 - a row
    subject: str,
    *,
    kind: Block.Kind,
    label: str,
    effect: Block.Effect,
    limits: Limits,
    evidence: Evidence,
    address: str,
    now: datetime,
) -> Block | None:
    """The block that this makes, audited and told of once; None where there is one already.

    The caller holds the subject's lock, and a transaction.
    """
    open_blocks = Block.objects.filter(subject=subject, effect=effect, ended_at=None)
    if open_blocks.filter(until__gt=now).exists():
        return None
    open_blocks.update(ended_at=F("until"), ended_by=BY_TIME)
    level = _level(subject, effect, now)
    block = Block.objects.create(
        subject=subject,
        kind=kind,
        effect=effect,
        label=label,
        reason=f"{REASONS[evidence.reason]} ({', '.join(evidence.what)})",
        profile=limits.profile,
        client_id=evidence.client_id,
        attempts=evidence.attempts,
        names=list(evidence.names),
        name_count=evidence.name_count,
        level=level,
        created_at=now,
        until=now + duration(limits, level),
    )
    record(
        _MADE[kind, effect],
        client_id=evidence.client_id or None,
        address=address or None,
        at=now,
        subject=label,
        reason=block.reason,
        profile=limits.profile,
        attempts=evidence.attempts,
        names=block.names,
        name_count=evidence.name_count,
        until=block.until.isoformat(),
    )
    metrics.count(metrics.BLOCKS, kind=kind, effect=effect)
    notifications.send(_TITLES[kind, effect].format(label), _text(block))
    return block


def lift(block: Block, *, actor: str, now: datetime) -> bool:
    """Ends a block at once, audited; False where it has ended already."""
    with transaction.atomic():
        living = Block.objects.living(now).filter(pk=block.pk)
        if not living.update(ended_at=now, ended_by=actor[:200]):
            return False
        record(_LIFTED[Kind(block.kind)], actor=actor, at=now, subject=block.label)
    metrics.count(metrics.UNBLOCKS, kind=block.kind)
    return True


def lift_all(subject: str | None, *, actor: str, now: datetime) -> list[Block]:
    """Ends the living blocks of a subject, or all there are; answers those that it has ended."""
    living = Block.objects.living(now).order_by("pk")
    if subject is not None:
        living = living.filter(subject=subject)
    return [block for block in living if lift(block, actor=actor, now=now)]


def _level(subject: str, effect: Block.Effect, now: datetime) -> int:
    """How many blocks came before without a quiet time between; one that somebody has lifted was
    a mistake, and none of those before it counts any more."""
    last = Block.objects.filter(subject=subject, effect=effect).order_by("-created_at").first()
    if last is None or last.ended_by != BY_TIME or last.until <= now - QUIET:
        return 0
    return last.level + 1


def _text(block: Block) -> str:
    names = ", ".join(block.names)
    more = block.name_count - len(block.names)
    lines = [
        f"Because {block.reason}: {block.attempts} attempts at {block.name_count} names.",
        f"Names: {names}{f' and {more} more' if more > 0 else ''}.",
        f"Until {block.until:%Y-%m-%d %H:%M} UTC, by the network profile {block.profile}.",
    ]
    if block.effect == Effect.WARNING:
        lines.append(
            f"All of it came through the client {block.client_id}: it should say for whom it asks "
            "(docs/operations/blocking.md), then its users are told apart."
        )
    elif block.kind == Kind.ADDRESS:
        lines.append("If this is a proxy of yours, name it in IDP_TRUSTED_PROXIES.")
    if block.effect == Effect.REFUSE:
        lines.append("The admin's page Blocks and manage.py unblock lift it.")
    return "\n".join(lines)
