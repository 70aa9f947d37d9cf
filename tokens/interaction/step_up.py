"""Whether a sign-in is worth enough for a client, and what can be done where it is not."""

from enum import Enum

from idp.accounts import passkeys, second_factor
from idp.accounts.assurance import ACR_VALUES, reaches
from idp.accounts.models import User
from tokens.authorization import AuthorizationRequest
from tokens.interaction.session import Visitor


class Step(Enum):
    NONE = "go on"
    ASK = "ask for the second factor"
    SET_UP = "have one set up"
    UNMET = "refuse"


def step_for(asked: AuthorizationRequest, visitor: Visitor) -> Step:
    """The client's flag comes first, and what the request says is essential; what it would merely
    like is asked for where the user can give it.

    OpenID Connect Core 1.0 section 5.5.1.1: of an essential acr, "the Authorization Server MUST
    treat that outcome as a failed authentication attempt" where it is not reached.
    """
    required = asked.client.effective_flags.required_acr
    if required in ACR_VALUES and not reaches(visitor.amr, required):
        return _towards(visitor, otherwise=_of_flag(visitor))
    if not asked.acr_wanted or any(reaches(visitor.amr, acr) for acr in _order(asked)):
        return Step.NONE
    can_be_met = any(acr in ACR_VALUES for acr in asked.acr_wanted)
    otherwise = Step.UNMET if asked.acr_is_essential else Step.NONE
    return _towards(visitor, otherwise=otherwise) if can_be_met else otherwise


def _order(asked: AuthorizationRequest) -> tuple[str, ...]:
    """What would do: any of the essential ones, but the first that we know of a mere preference
    ("in order of preference", section 3.1.2.1)."""
    if asked.acr_is_essential:
        return asked.acr_wanted
    return tuple(acr for acr in asked.acr_wanted if acr in ACR_VALUES)[:1]


def _towards(visitor: Visitor, *, otherwise: Step) -> Step:
    return Step.ASK if _can_prove_more(visitor.user) else otherwise


def _can_prove_more(user: User) -> bool:
    return second_factor.is_set_up(user) or (passkeys.are_possible() and bool(passkeys.of(user)))


def _of_flag(visitor: Visitor) -> Step:
    return Step.SET_UP if second_factor.may_be_set_up(visitor.user) else Step.UNMET
