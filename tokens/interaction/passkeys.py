"""Passkeys on pages: what a page hands to the browser, and what the browser posts back to it."""

import json

from django.http import HttpRequest
from django.utils import timezone

from idp import net
from idp.accounts import passkeys
from idp.accounts.models import User
from idp.accounts.outcomes import Refused, Unavailable
from idp.accounts.passkeys import Problem, Proved
from tokens.interaction import browser

# The field of a form in which the browser's answer is, JSON as `toJSON()` of the browser says it.
ANSWER, NEW, NAME = "passkey_answer", "passkey_new", "passkey_name"


def offer(request: HttpRequest, user: User | None = None) -> str:
    """What a page that signs in hands to the browser, as JSON; "" where no passkey could answer."""
    if not passkeys.are_possible() or (user is not None and not passkeys.of(user)):
        return ""
    return json.dumps(passkeys.to_sign_in(browser.name_of(request), timezone.now(), user))


def proved(
    request: HttpRequest, client_id: str | None, user: User | None = None
) -> Proved | Refused | Unavailable:
    """Who has posted the answer of their passkey; only that user, where one is named."""
    return passkeys.check(
        request.POST.get(ANSWER, ""),
        browser=browser.name_of(request),
        address=net.address_of(request),
        client_id=client_id,
        now=timezone.now(),
        user=user,
    )


def offer_new(request: HttpRequest, user: User) -> str:
    """What a page hands to the browser to make one of, as JSON."""
    return json.dumps(passkeys.to_register(user, browser.name_of(request), timezone.now()))


def register(request: HttpRequest, user: User, name: str) -> bool:
    """Whether the posted one was taken."""
    said, now = request.POST.get(NEW, ""), timezone.now()
    try:
        passkeys.register(user, said, name, browser=browser.name_of(request), now=now)
    except Problem:
        return False
    return True
