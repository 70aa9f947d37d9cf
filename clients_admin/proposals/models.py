"""A proposed change is a row, from when it is opened until long after it is applied or not."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

MAX_TEXT = 2000


class ProposalQuerySet(models.QuerySet["Proposal"]):
    def open(self) -> "ProposalQuerySet":
        """Those that nobody has closed; some of them may be overdue."""
        return self.filter(status=Proposal.Status.OPEN)

    def overdue(self, now: datetime) -> "ProposalQuerySet":
        return self.open().filter(expires_at__lte=now)


class Proposal(models.Model):
    """What an object is to become. What is proposed never changes: who wants something else makes
    another one.

    `before` and `wanted` are entries of a configuration file; `before` is none for something new,
    `wanted` for what is to be deleted. The object is named and not referred to, because a proposal
    outlives it; names never change.
    """

    class Kind(models.TextChoices):
        CLIENT = "client", "Client"
        SCOPE = "scope", "Scope"
        SCOPE_GROUP = "scope_group", "Scope group"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        APPLIED = "applied", "Applied"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"
        EXPIRED = "expired", "Expired"

    kind = models.CharField(max_length=16, choices=Kind)
    name = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    why = models.TextField(max_length=MAX_TEXT, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="proposals"
    )
    before = models.JSONField(null=True, editable=False)
    wanted = models.JSONField(null=True, editable=False)
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    opened_at = models.DateTimeField("opened", default=timezone.now, editable=False)
    expires_at = models.DateTimeField("expires", editable=False)
    closed_at = models.DateTimeField("closed", null=True, editable=False)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )

    objects = ProposalQuerySet.as_manager()

    class Meta:
        default_permissions = ("view", "add")
        permissions: ClassVar = [("approve_proposal", "Can approve and reject proposals")]
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["status", "expires_at"], name="proposal_status"),
            models.Index(fields=["closed_at"], name="proposal_closed"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="proposal_is_closed_by_somebody",
                condition=Q(status="open", closed_at=None, closed_by=None)
                | Q(status="expired", closed_at__isnull=False, closed_by=None)
                | Q(
                    status__in=["applied", "rejected", "withdrawn"],
                    closed_at__isnull=False,
                    closed_by__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="proposal_changes_something",
                condition=Q(before__isnull=False) | Q(wanted__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Proposal {self.pk}: {self.title}"

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN


class Approval(models.Model):
    """That somebody has approved a proposal; one for each person."""

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="approvals")
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["proposal", "approver"], name="approval_once")
        ]

    def __str__(self) -> str:
        return f"{self.approver} approved proposal {self.proposal_id}"


class Comment(models.Model):
    """What somebody said of a proposal; why it was rejected, for one."""

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    text = models.TextField(max_length=MAX_TEXT)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.author} on proposal {self.proposal_id}"
