"""Orders to change one signing key, as pages: what each means, why, a try, and then the deed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from clients_admin.admin.added_pages import AddedPage, Visit
from tokens.keys import rotation
from tokens.keys.models import SigningKey
from tokens.keys.orders import Done, Order, RefusedError
from tokens.keys.periods import KNOWN_EVERYWHERE_AFTER, PUBLISH_AHEAD

ORDER = "tokens.order_signingkey"
LIST = "admin:tokens_signingkey_changelist"
State = SigningKey.State


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """What can be done with a key; `fits` says with which, `meaning` what it brings about."""

    slug: str
    title: str
    meaning: str
    fits: Callable[[SigningKey], bool]
    carry_out: Callable[[SigningKey, Order], Done]
    can_be_forced: bool = False
    variant: str = "primary"


def _rotate(key: SigningKey, order: Order) -> Done:
    return rotation.rotate(key.algorithm, order)


def _roll_back(key: SigningKey, order: Order) -> Done:
    return rotation.rollback(key.algorithm, order, kid=key.kid)


def _retire(key: SigningKey, order: Order) -> Done:
    return rotation.retire(key.kid, order)


def _remove(key: SigningKey, order: Order) -> Done:
    return rotation.remove_compromised(key.kid, order)


ORDERS = (
    KeyOrder(
        "rotate",
        "Let it sign now",
        "This key signs from now on. The one that signs at present stays published, so that all "
        "it has signed can be verified, and can be gone back to at once. A new next key is made.",
        lambda key: key.state == State.NEXT,
        _rotate,
        can_be_forced=True,
    ),
    KeyOrder(
        "rollback",
        "Let it sign again",
        "This key has signed before and signs again from now on. The one that signs at present "
        "stays published. A key that has left the JWKS is published first, and signs when it is "
        "told so a second time.",
        lambda key: key.can_sign_again,
        _roll_back,
        can_be_forced=True,
    ),
    KeyOrder(
        "retire",
        "Take it out of the JWKS",
        "Nobody can verify by this key any more. It is refused while a token that it has signed "
        "may live. Beat does the same by itself, later.",
        lambda key: key.state == State.RETIRING,
        _retire,
    ),
    KeyOrder(
        "remove",
        "It was compromised …",
        "Somebody else may have this key. It leaves the JWKS at once, with all that it has "
        "signed, and its private half is destroyed. If it signs at present, the next key takes "
        "over in the same moment, also where not all who verify have fetched it. This cannot be "
        "undone.",
        lambda key: key.compromised_at is None,
        _remove,
        variant="danger",
    ),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """An order as a link beside a key."""

    title: str
    address: str


def offers(key: SigningKey) -> list[Offer]:
    """What can be ordered about a key as it is now."""
    return [Offer(order.title, _address(key, order)) for order in ORDERS if order.fits(key)]


class OrderForm(forms.Form):
    reason = forms.CharField(
        max_length=200,
        help_text="For the audit: why now?",
        widget=forms.TextInput(attrs={"class": "operators-input"}),
    )
    force = forms.BooleanField(
        label="Do not wait for those who verify",
        required=False,
        help_text=f"A key is published for {PUBLISH_AHEAD.days} days before it signs, so that all "
        "have surely fetched it. Without waiting, some may refuse its tokens until they fetch the "
        f"JWKS again. The {KNOWN_EVERYWHERE_AFTER.seconds} seconds that our own processes need "
        "are waited for in any case.",
    )

    template_name = "tokens/admin/fields.html"

    def __init__(self, data: Any, *, order: KeyOrder) -> None:
        super().__init__(data, label_suffix="")
        if not order.can_be_forced:
            del self.fields["force"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has come of a try."""

    lines: list[str] = field(default_factory=list)
    refusal: str = ""


def _view(order: KeyOrder) -> Callable[[Visit], HttpResponse]:
    def order_page(visit: Visit) -> HttpResponse:
        visit.require(ORDER)
        key: SigningKey = visit.target
        if not order.fits(key):
            messages.info(visit.request, f"{key} is not in a state for that any more.")
            return HttpResponseRedirect(reverse(LIST))
        form = OrderForm(visit.request.POST or None, order=order)
        outcome = None
        if form.is_valid():
            is_try = "_try" in visit.request.POST
            outcome = _carried_out(visit, order, form.cleaned_data, is_try=is_try)
            if not is_try and not outcome.refusal:
                return HttpResponseRedirect(reverse(LIST))
        context = {"title": order.title, "order": order, "question": form, "outcome": outcome}
        return visit.answer("tokens/admin/key_order.html", context)

    return order_page


def _carried_out(visit: Visit, order: KeyOrder, said: dict[str, Any], *, is_try: bool) -> Outcome:
    given = Order(
        actor=str(visit.request.user),
        reason=said["reason"],
        force=said.get("force", False),
        dry_run=is_try,
    )
    try:
        done = order.carry_out(visit.target, given)
    except RefusedError as error:
        return Outcome(refusal=str(error))
    if not is_try:
        messages.success(visit.request, "; ".join(done.lines))
        if not done.is_complete:
            messages.warning(
                visit.request,
                "That was the first step; nothing else has changed yet. Order it again in "
                f"{KNOWN_EVERYWHERE_AFTER.seconds} seconds without waiting for those who verify, "
                f"or in {PUBLISH_AHEAD.days} days.",
            )
    return Outcome(lines=done.lines)


def _address(key: SigningKey, order: KeyOrder) -> str:
    return reverse(f"admin:tokens_signingkey_{order.slug}", args=[key.pk])


PAGES = tuple(AddedPage(order.slug, "", _view(order), ("GET", "HEAD", "POST")) for order in ORDERS)
