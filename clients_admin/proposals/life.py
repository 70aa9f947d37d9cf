"""The life of a proposal: opened, approved, commented on, and closed by one of four ends.

Each deed is one transaction that holds the proposal's row, so that of two people at once the second
sees what the first has done. A deed that is refused changes nothing, and is audited all the same.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate

from django.db import IntegrityError, transaction
from django.utils import timezone

from clients_admin.configuration import stored
from clients_admin.configuration.document import ConfigurationError
from clients_admin.proposals import targets
from clients_admin.proposals.differences import Line, differences
from clients_admin.proposals.models import Approval, Comment, Proposal
from clients_admin.proposals.needed import needed
from clients_admin.proposals.targets import TARGETS, Entry
from idp import notifications
from idp.accounts.models import User
from idp.audit.context import noting
from idp.audit.details import without_secrets
from idp.audit.record import record
from idp.audit.tags import Tag

OPEN_FOR = timedelta(days=14)
MAX_OPEN = 50
APPROVE = "clients_admin.approve_proposal"
PROPOSE = "clients_admin.add_proposal"

Status = Proposal.Status


class Refused(Exception):
    """A deed that may not be done; the text is for whoever tried, and for the audit."""


def _audited[**P, R](
    deed: Callable[Concatenate[Proposal, User, P], R],
) -> Callable[Concatenate[Proposal, User, P], R]:
    """One transaction; what is refused in it is told in another one."""

    @wraps(deed)
    def attempted(proposal: Proposal, by: User, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with transaction.atomic():
                return deed(proposal, by, *args, **kwargs)
        except Refused as refused:
            tried, reason = deed.__name__, without_secrets(str(refused))
            _tell(Tag.CLIENTS_PROPOSAL_REFUSED, proposal, by, tried=tried, reason=reason)
            raise

    return attempted


# --- Opening --------------------------------------------------------------------------------------


def open_proposal(  # noqa: PLR0913 - what there is to say
    kind: str,
    before: Entry | None,
    wanted: Entry | None,
    *,
    author: User,
    title: str = "",
    why: str = "",
    max_open: int = MAX_OPEN,
) -> Proposal:
    """Opens a proposal, once it is clear that it could be applied. Raises Refused.

    Only the author's own right to propose is for the caller to check.
    """
    target = TARGETS[Proposal.Kind(kind)]
    if before == wanted:
        raise Refused("Nothing would change.")
    if wanted is None and kind != Proposal.Kind.CLIENT:
        raise Refused("Scopes and groups that nobody has can be deleted without a proposal.")
    if without_secrets(said := json.dumps(wanted)) != said:
        raise Refused("It holds what looks like a token or a secret, which would be kept in clear.")
    name = str((wanted or before or {})[target.key])
    with transaction.atomic():
        # The author's row: whoever sends a form many times at once does not get past the bound.
        User.objects.select_for_update(no_key=True).get(pk=author.pk)
        if author.proposals.open().count() >= max_open:
            raise Refused(f"You have {max_open} open proposals: wait until some are closed.")
        _try(target, name, before, wanted)
        now = timezone.now()
        proposal = Proposal.objects.create(
            kind=kind,
            name=name,
            title=without_secrets(title.strip() or default_title(kind, name, before, wanted))[:200],
            why=without_secrets(why.strip()),
            author=author,
            before=before,
            wanted=wanted,
            opened_at=now,
            expires_at=now + OPEN_FOR,
        )
        _tell(Tag.CLIENTS_PROPOSAL_OPENED, proposal, author, title=proposal.title)
        _notify(proposal)
    return proposal


def _try(target: targets.Target, name: str, before: Entry | None, wanted: Entry | None) -> None:
    """Makes the change and takes it back, so that what cannot be applied is not waited for."""
    with transaction.atomic():
        stored.wait_for_other_runs()
        _apply(target, name, before, wanted)
        transaction.set_rollback(True)


def default_title(kind: str, name: str, before: Entry | None, wanted: Entry | None) -> str:
    """“Change client shop: scopes, brand”."""
    noun = Proposal.Kind(kind).label.lower()
    if before is None:
        return f"Add {noun} {name}"
    if wanted is None:
        return f"Delete {noun} {name}"
    keys = [key for key in wanted if before.get(key) != wanted[key]]
    return f"Change {noun} {name}: {', '.join(keys)}"


# --- While it is open -----------------------------------------------------------------------------


@_audited
def approve(proposal: Proposal, by: User) -> None:
    held = _held_open(proposal)
    _require(by, APPROVE)
    if held.author_id == by.pk:
        raise Refused("You have made this proposal: somebody else must approve it.")
    _refuse_moved(held.before, targets.of(held).now(held.name))
    try:
        with transaction.atomic():
            Approval.objects.create(proposal=held, approver=by)
    except IntegrityError:
        raise Refused("You have approved it already.") from None
    _tell(Tag.CLIENTS_PROPOSAL_APPROVED, held, by)


@_audited
def comment(proposal: Proposal, by: User, text: str) -> None:
    """On closed ones too, while they are kept."""
    _require(by, PROPOSE)
    _add_comment(proposal, by, text)
    _tell(Tag.CLIENTS_PROPOSAL_COMMENTED, proposal, by)


@_audited
def reject(proposal: Proposal, by: User, text: str) -> None:
    """For those who could approve or apply it."""
    held = _held_open(proposal)
    if not by.has_perm(APPROVE):
        _require(by, _permission(held))
    if held.author_id == by.pk:
        raise Refused("You have made this proposal: withdraw it.")
    _add_comment(held, by, text)
    _close(held, Status.REJECTED, by)
    _tell(Tag.CLIENTS_PROPOSAL_REJECTED, held, by)


@_audited
def withdraw(proposal: Proposal, by: User) -> None:
    held = _held_open(proposal, may_be_overdue=True)
    if held.author_id != by.pk:
        raise Refused("Only its author can withdraw it: you can reject it.")
    _close(held, Status.WITHDRAWN, by)
    _tell(Tag.CLIENTS_PROPOSAL_WITHDRAWN, held, by)


@_audited
def apply(proposal: Proposal, by: User) -> None:
    """Makes the change, if it is approved and nothing has moved; audited as any other change."""
    held = _held_open(proposal)
    _require(by, _permission(held))
    # Before anything of the configuration is held: a directory may have to be asked.
    approvals = len(counting(held))
    stored.wait_for_other_runs()
    target = targets.of(held)
    wanting = needed(held.kind, held.before, held.wanted) - approvals
    if wanting > 0:
        raise Refused(f"It needs {wanting} more approval{'s' if wanting > 1 else ''}.")
    with noting(proposal=held.pk):
        _apply(target, held.name, held.before, held.wanted)
    _close(held, Status.APPLIED, by)
    _tell(Tag.CLIENTS_PROPOSAL_APPLIED, held, by)


def _apply(target: targets.Target, name: str, before: Entry | None, wanted: Entry | None) -> None:
    """Raises Refused where something has moved, or the change is not valid any more."""
    _refuse_moved(before, target.hold(name))
    try:
        with transaction.atomic():
            target.put(name, wanted)
    except ConfigurationError as error:
        raise Refused(f"It cannot be made: {'; '.join(str(error).splitlines())}.") from None
    except IntegrityError:
        raise Refused("It cannot be made: somebody is using or making it just now.") from None


def expire(now: datetime | None = None) -> int:
    """Closes what nobody has closed in time; a transaction each, so that none holds up another."""
    now = now or timezone.now()
    expired = 0
    for proposal in Proposal.objects.overdue(now):
        with transaction.atomic():
            held = Proposal.objects.select_for_update().overdue(now).filter(pk=proposal.pk).first()
            if held is not None:
                _close(held, Status.EXPIRED, None, now)
                _tell(Tag.CLIENTS_PROPOSAL_EXPIRED, held)
                expired += 1
    return expired


# --- What can be said of it -----------------------------------------------------------------------


def counting(proposal: Proposal) -> list[Approval]:
    """The approvals of those who may still approve."""
    approvals = proposal.approvals.select_related("approver")
    return [approval for approval in approvals if approval.approver.has_perm(APPROVE)]


def needed_now(proposal: Proposal) -> int:
    return needed(proposal.kind, proposal.before, proposal.wanted)


def moved_since(proposal: Proposal) -> list[Line]:
    """What was changed in the object since it was proposed; empty where nothing was."""
    return differences(proposal.before, targets.of(proposal).now(proposal.name))


# --- Parts ----------------------------------------------------------------------------------------


def _held_open(proposal: Proposal, *, may_be_overdue: bool = False) -> Proposal:
    """The row as it is now; nobody else does anything with it until the end of the transaction."""
    held = Proposal.objects.select_for_update().get(pk=proposal.pk)
    if not held.is_open:
        raise Refused(f"It is closed: {held.get_status_display().lower()}.")
    if not may_be_overdue and held.expires_at <= timezone.now():
        raise Refused("It has expired: propose it anew.")
    return held


def _refuse_moved(before: Entry | None, now: Entry | None) -> None:
    if before != now:
        paths = ", ".join(line.path for line in differences(before, now))
        raise Refused(f"This was changed meanwhile, so propose it anew: {paths}.")


def _permission(proposal: Proposal) -> str:
    return targets.of(proposal).permission(proposal.before, proposal.wanted)


def _require(by: User, permission: str) -> None:
    if not by.has_perm(permission):
        raise Refused("You may not do this.")


def _add_comment(proposal: Proposal, by: User, text: str) -> None:
    text = without_secrets(text.strip())
    if not text:
        raise Refused("Say why, in a comment.")
    Comment.objects.create(proposal=proposal, author=by, text=text)


def _close(
    held: Proposal, status: Proposal.Status, by: User | None, now: datetime | None = None
) -> None:
    held.status, held.closed_by, held.closed_at = status, by, now or timezone.now()
    held.save(update_fields=["status", "closed_by", "closed_at"])


def _tell(tag: Tag, proposal: Proposal, by: User | None = None, **details: Any) -> None:
    is_of_client = proposal.kind == Proposal.Kind.CLIENT
    record(
        tag,
        client_id=proposal.name if is_of_client else None,
        actor=None if by is None else str(by),
        proposal=proposal.pk,
        kind=proposal.kind,
        name=proposal.name,
        **details,
    )


def _notify(proposal: Proposal) -> None:
    noun = Proposal.Kind(proposal.kind).label.lower()
    notifications.send(
        f"Proposal {proposal.pk} waits: {proposal.title}",
        f"{proposal.author} proposes a change of the {noun} {proposal.name}. It expires on "
        f"{proposal.expires_at:%Y-%m-%d}; see the page Proposals of the admin.",
    )
