"""How much is too much, and what comes of it: pure functions of counts, limits and the clock.

A name that fails once is a slip. So two things are counted of an address: how many *names* have
failed, which is what somebody does who tries one password on many users, and how many *repeats*
there were, failures beyond the first of each name, which is what somebody does who tries many
passwords. A shared proxy may have many of the former and still has few of the latter.

Clients are counted apart. Nobody guesses a secret of 256 bits: what fails again and again is a
service that was deployed with a wrong one, and its address may be that of the whole gateway. So
only a flood of them is too much.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

# Each further block of the same subject lasts so much longer than the one before.
ESCALATION = 4
# After so long without a block, the next one is as short as the first.
QUIET = timedelta(days=1)
# What goes through one client that has proved itself, for more names than these, is no attacker at
# that address: it is an application that does not say whom it speaks for.
FEW_NAMES = 3


class Reason(StrEnum):
    """Why a block was made."""

    NAMES = "names"
    REPEATS = "repeats"
    CLIENTS = "clients"


@dataclass(frozen=True, slots=True)
class Limits:
    """What may fail within the `window`; with the last of `max_...` a block is made, for `block`
    and each further time for longer, up to `longest`."""

    profile: str
    window: timedelta
    max_names: int
    max_repeats: int
    max_client_failures: int
    block: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Tally:
    """What has failed within the window; `names` are of clients too, `repeats` of people alone."""

    attempts: int = 0
    names: int = 0
    repeats: int = 0
    client_failures: int = 0


def reached(limits: Limits, tally: Tally) -> Reason | None:
    """The limit that has been reached, if one has."""
    if tally.names >= limits.max_names:
        return Reason.NAMES
    if tally.repeats >= limits.max_repeats:
        return Reason.REPEATS
    if tally.client_failures >= limits.max_client_failures:
        return Reason.CLIENTS
    return None


def duration(limits: Limits, level: int) -> timedelta:
    """How long a block lasts that `level` others came before."""
    longest_power = 20  # More would only overflow.
    return min(limits.block * ESCALATION ** min(level, longest_power), limits.longest)
