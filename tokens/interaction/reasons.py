"""Why a user who is signed in has to sign in all the same."""

from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from tokens.authorization import AuthorizationRequest
from tokens.interaction.session import Visitor


def must_sign_in(asked: AuthorizationRequest, visitor: Visitor) -> bool:
    return any(reason(asked, visitor) for reason in REASONS)


def prompt_asks(asked: AuthorizationRequest, visitor: Visitor) -> bool:
    return "login" in asked.prompts and not asked.is_answered_by(visitor.auth_time)


def request_is_about_somebody_else(asked: AuthorizationRequest, visitor: Visitor) -> bool:
    return not asked.fits(visitor.user)


def login_is_too_old(asked: AuthorizationRequest, visitor: Visitor) -> bool:
    """OpenID Connect Core 1.0 section 3.1.2.1: "If the elapsed time is greater than this value,
    the OP MUST attempt to actively re-authenticate the End-User"."""
    if asked.max_age is None or asked.is_answered_by(visitor.auth_time):
        return False
    return visitor.auth_time + timedelta(seconds=asked.max_age) < timezone.now()


REASONS: tuple[Callable[[AuthorizationRequest, Visitor], bool], ...] = (
    prompt_asks,
    request_is_about_somebody_else,
    login_is_too_old,
)
