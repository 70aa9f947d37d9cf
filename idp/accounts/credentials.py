"""What nobody's user name or password looks like: refused before a login service is asked."""

MAX_USERNAME_CHARACTERS = 255
MAX_PASSWORD_CHARACTERS = 1024


def are_malformed(username: str, password: str) -> bool:
    """Whether they are empty, endless, or hold what no server can be sent (NUL, half a character).

    An empty password above all: RFC 4513 section 5.1.2, an LDAP server takes a name without one for
    an "unauthenticated" bind, which succeeds and proves nothing.
    """
    return (
        not 0 < len(username) <= MAX_USERNAME_CHARACTERS
        or not 0 < len(password) <= MAX_PASSWORD_CHARACTERS
        or not all(map(_can_be_sent, (username, password)))
    )


def _can_be_sent(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
