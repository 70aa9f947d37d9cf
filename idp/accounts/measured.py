"""Counts what login services answer, and how long they take."""

import time
from collections.abc import Callable

from idp import metrics
from idp.accounts.models import LoginService
from idp.accounts.outcomes import Identity, Outcome, Refused

type Check = Callable[[LoginService, str, str], Outcome]


def measured(check: Check) -> Check:
    """The same check, counted by service and outcome."""

    def counted(service: LoginService, username: str, password: str) -> Outcome:
        began = time.perf_counter()
        outcome = check(service, username, password)
        metrics.LOGIN_SECONDS.labels(service.name).observe(time.perf_counter() - began)
        metrics.count(metrics.LOGINS, service=service.name, outcome=_word(outcome))
        return outcome

    return counted


def _word(outcome: Outcome) -> str:
    match outcome:
        case Identity():
            return "accepted"
        case Refused():
            return "refused"
    return "unavailable"
