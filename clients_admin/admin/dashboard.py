"""The operators' start page: what happens, what is wrong, and what soon will be.

Whatever is shown costs the same however many tokens, users and clients there are: numbers of the
past come from tallies, those of tokens from PostgreSQL's own statistics. A floor above adds its
cards to `CARDS`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from clients_admin import expiry
from clients_admin.admin.exposed_secrets import with_warning
from clients_admin.models import Client
from idp.accounts.models import LoginService
from idp.blocking.models import Block
from idp.expiry_warnings import DAYS
from idp.tallies.models import by_hour

HOURS = 48
DAY_HOURS = 24
MOST_LINES = 8
# Counted no further: a page must not read a million blocks to say that there are many.
MOST_COUNTED = 1000
SOON = timedelta(days=DAYS[0])
BAR, GAP, HEIGHT = 5, 1, 40


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name, perhaps a link."""

    label: str
    value: str
    url: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Numbers of the last hours as a drawing, and in words for whoever sees none."""

    numbers: Sequence[int]
    noun: str

    @property
    def words(self) -> str:
        return (
            f"{self.noun} in each of the last {len(self.numbers)} hours: at most "
            f"{max(self.numbers):,}, in this hour {self.numbers[-1]:,} so far"
        )

    @property
    def width(self) -> int:
        return len(self.numbers) * (BAR + GAP)

    @property
    def height(self) -> int:
        return HEIGHT

    @property
    def rects(self) -> list[dict[str, int]]:
        most = max(*self.numbers, 1)
        heights = [-(-number * HEIGHT // most) for number in self.numbers]
        return [
            {"x": place * (BAR + GAP), "y": HEIGHT - high, "width": BAR, "height": high}
            for place, high in enumerate(heights)
        ]


@dataclass(frozen=True, slots=True)
class Line:
    """Something to look at: where it is, and what is the matter."""

    label: str
    text: str
    url: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A part of the page; `none` is said where there is no line, `more` how many are left out."""

    title: str
    figures: Sequence[Figure] = ()
    bars: Bars | None = None
    lines: Sequence[Line] = field(default_factory=tuple)
    none: str = ""
    note: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """What all cards are made from: the time, and what was tallied."""

    now: datetime
    tallied: Mapping[str, Sequence[int]]

    def hours(self, prefix: str) -> list[int]:
        """The sum, hour by hour, of all tallies whose names begin so."""
        found = [numbers for name, numbers in self.tallied.items() if name.startswith(prefix)]
        return [sum(column) for column in zip(*found, strict=True)] or [0] * HOURS

    def day(self, prefix: str) -> int:
        return sum(self.hours(prefix)[-DAY_HOURS:])


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK."""
    now = timezone.now()
    moment = Moment(now, by_hour(now, HOURS))
    shown = [make(moment) for permission, make in CARDS if request.user.has_perm(permission)]
    return {**context, "cards": shown}


def listed(title: str, lines: Iterable[Line], none: str, note: str = "") -> Card:
    """A card of lines, the first of them where there are many."""
    found = list(lines)
    return Card(
        title,
        lines=found[:MOST_LINES],
        none=none,
        note=note,
        more=max(0, len(found) - MOST_LINES),
    )


# --- The cards of this floor ----------------------------------------------------------------------


def logins(moment: Moment) -> Card:
    return Card(
        "Sign-ins",
        figures=[
            Figure("accepted in 24 hours", f"{moment.day('logins:accepted:'):,}"),
            Figure("refused", f"{moment.day('logins:refused:'):,}"),
        ],
        bars=Bars(moment.hours("logins:accepted:"), "Accepted sign-ins"),
    )


def blocks(moment: Moment) -> Card:
    living = Block.objects.living(moment.now)
    page = reverse("admin:idp_block_changelist")
    figures = []
    for effect, label in (("refuse", "refused now"), ("shadow", "would be refused")):
        count = living.filter(effect=effect)[: MOST_COUNTED + 1].count()
        said = f"{count:,}" if count <= MOST_COUNTED else f"over {MOST_COUNTED:,}"
        figures.append(Figure(label, said, page, is_bad=bool(count) and effect == "refuse"))
    made = Figure("made in 24 hours", f"{moment.day('blocks:refuse:'):,}")
    return Card(
        "Blocks",
        figures=[*figures, made],
        bars=Bars(moment.hours("blocks:refuse:"), "New blocks"),
    )


def ailing_services(moment: Moment) -> Card:
    """Those that could not be asked in this hour or the last."""
    lines = []
    for service in LoginService.objects.filter(is_enabled=True).order_by("name"):
        out, ok = (
            sum(moment.tallied.get(f"logins:{outcome}:{service.name}", [0])[-2:])
            for outcome in ("unavailable", "accepted")
        )
        if out:
            page = reverse("admin:idp_loginservice_change", args=[service.pk])
            text = f"unavailable for {out:,} sign-ins since the last hour began, {ok:,} accepted"
            lines.append(Line(service.name, text, page, is_bad=True))
    return listed("Login services", lines, "All that were asked have answered.")


def endings(moment: Moment) -> Card:
    found = [
        ending
        for source in expiry.SOURCES
        for ending in source(moment.now)
        if ending.ends_at <= moment.now + SOON
    ]
    lines = [
        Line(
            ending.name,
            f"{ending.kind.replace('_', ' ')} {_ends(ending.ends_at, moment.now)}",
            is_bad=ending.ends_at <= moment.now,
        )
        for ending in sorted(found, key=lambda ending: ending.ends_at)
    ]
    return listed("About to end", lines, f"No key or secret ends within {SOON.days} days.")


def exposed(_moment: Moment) -> Card:
    clients = with_warning(Client.objects.all()).filter(has_exposed_secret=True)
    lines = [
        Line(
            client.client_id,
            "its secret stood in a URL: rotate it",
            reverse("admin:clients_admin_client_change", args=[client.pk]),
            is_bad=True,
        )
        for client in clients.order_by("client_id")[: MOST_LINES + 1]
    ]
    return listed("Exposed secrets", lines, "No living secret has stood in a URL.")


def _ends(ends_at: datetime, now: datetime) -> str:
    if ends_at <= now:
        return f"ended on {ends_at:%Y-%m-%d}"
    return f"ends on {ends_at:%Y-%m-%d}, in {max(1, -(-(ends_at - now) // timedelta(days=1)))} days"


# With what an operator must be allowed to see for it.
CARDS: list[tuple[str, Callable[[Moment], Card]]] = [
    ("idp.view_user", logins),
    ("idp.view_block", blocks),
    ("idp.view_loginservice", ailing_services),
    ("clients_admin.view_client", endings),
    ("clients_admin.view_client", exposed),
]
