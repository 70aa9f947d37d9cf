"""How somebody has proved who they are: methods (`amr`, RFC 8176) and what these are worth (`acr`).

OpenID Connect Core 1.0 section 2 leaves the values of `acr` to the parties; these two are ours, in
their order. A token without methods has no `acr`: nobody here saw its user sign in.
"""

from collections.abc import Sequence
from typing import Any

ONE_FACTOR = "urn:idp:acr:1fa"
TWO_FACTORS = "urn:idp:acr:2fa"
ACR_VALUES = (ONE_FACTOR, TWO_FACTORS)

# RFC 8176 section 2.
PASSWORD = "pwd"
ONE_TIME_CODE = "otp"
HARDWARE_KEY, SOFTWARE_KEY = "hwk", "swk"
USER_VERIFIED = "user"
SEVERAL = "mfa"

type Methods = Sequence[str]


def acr_of(amr: Methods) -> str | None:
    """What the methods are worth together."""
    if not amr:
        return None
    return TWO_FACTORS if SEVERAL in amr else ONE_FACTOR


def reaches(amr: Methods, wanted: str) -> bool:
    """Whether the methods are worth at least that much; False for a value that is not ours."""
    reached = acr_of(amr)
    if reached is None or wanted not in ACR_VALUES:
        return False
    return ACR_VALUES.index(reached) >= ACR_VALUES.index(wanted)


def claims(amr: Methods) -> dict[str, Any]:
    """What tokens say of it: OpenID Connect Core 1.0 section 2, RFC 9068 section 2.2.1."""
    return {"acr": acr_of(amr), "amr": list(amr)} if amr else {}
