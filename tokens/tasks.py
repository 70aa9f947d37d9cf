"""What beat starts, as `idp/celery.py` says: each job is one call, and answers one line of log."""

from clients_admin import expiry
from clients_admin.proposals import life as proposals
from idp.jobs import job
from tokens import caps, cleanup, logout_notices
from tokens.keys import resealing, rotation


@job("tokens.make_partitions")
def make_partitions() -> str:
    return f"{cleanup.make_partitions()} made"


@job("tokens.clean_up")
def clean_up() -> str:
    return _counted(cleanup.clean_up())


@job("tokens.enforce_caps")
def enforce_caps() -> str:
    return _counted(caps.enforce())


@job("tokens.rotate_keys")
def rotate_keys() -> str:
    return "; ".join([*rotation.rotate_due(), *resealing.reseal_due()]) or "nothing due"


@job("tokens.warn_of_expiry")
def warn_of_expiry() -> str:
    return f"{expiry.warn()} warned of"


@job("tokens.expire_proposals")
def expire_proposals() -> str:
    return f"{proposals.expire()} expired"


@job(logout_notices.TASK)
def deliver_logouts() -> str:
    return _counted(logout_notices.deliver())


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "nothing"
