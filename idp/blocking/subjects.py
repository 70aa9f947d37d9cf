"""What is counted and blocked: an address, or a user; and names, which are kept as hashes.

Somebody types a password where their name belongs every day, so nothing that was typed is kept in
clear but the names of users that exist.
"""

import unicodedata
from functools import lru_cache
from ipaddress import IPv6Network, ip_address

from django.utils.crypto import salted_hmac

from idp.audit.details import clean_text, without_secrets

# A network of IPv6 that one customer has, and can take any address of.
PREFIX_LENGTH = 64
SHOWN_CHARACTERS = 60
HIDDEN = "•••"
_USER = "user:"


@lru_cache(maxsize=8192)
def of_address(address: str) -> str:
    """`192.0.2.1`, or for IPv6 the network, `2001:db8:0:1::/64`; "" for what is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 4:  # noqa: PLR2004 - of IP
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed), PREFIX_LENGTH), strict=False))


def of_user(login_service_id: int, username: str) -> str:
    """A user of a login service, whether or not there is one of that name."""
    return f"{_USER}{login_service_id}:{name_key(username)}"


def is_user(subject: str) -> bool:
    return subject.startswith(_USER)


def name_key(name: str) -> str:
    """A keyed hash, alike for all spellings of a name that some login service takes for one: in
    any case, with any accents, with blanks around."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    plain = " ".join(letters.split())
    return salted_hmac(
        "idp.blocking.name", plain.encode("utf-8", "surrogatepass"), algorithm="sha256"
    ).hexdigest()[:32]


def shown(name: str, *, is_known: bool) -> str:
    """A name as operators read it: of a user or client that exists in clear, else its first
    letter."""
    if is_known:
        return clean_text(without_secrets(name), SHOWN_CHARACTERS)
    first = name.strip()[:1]
    return f"{first}{HIDDEN}" if first.isalnum() else HIDDEN
