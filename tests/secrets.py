"""What must never be stored, logged or audited in clear: by shape what the server issues, by value
what the tests use. A new password or secret of the tests is registered here; a test asks for it."""

import re

from idp.environment import PROJECT
from tests.environment import SECRET_KEY, TOKEN_KEY

# Of docs/demo.yaml all that is given inline; it is public, and all the same handled as a secret.
_DEMO = re.findall(
    r"^ *(?:client_secret|password): ([^\s#]+)$",
    (PROJECT / "docs" / "demo.yaml").read_text(),
    re.MULTILINE,
)

CANARIES = frozenset(
    {
        *_DEMO,
        SECRET_KEY,
        TOKEN_KEY,
        "a horse of another colour",
        "a-secret-for-tests-of-more-than-32-characters",
        "another-secret-for-tests-of-more-than-32-characters",
        "a-secret-that-nobody-may-find",
        "at_a-token-that-nobody-may-find",
        "correct horse battery staple",
        "four-eyes-see-more-than-two",
        "a-till-is-born-and-looked-at",
        "correct-horse-battery",
        "secret-of-the-tests-not-for-production",
        "the operators own password",
        "the password of the account that searches",
        "the password of the reader",
        "the-password-of-the-database",
    }
)

# Ours by prefix and length (docs/decisions/0001-token-format.md), and a JWT of anybody's with its
# signature. Not `idp.audit.details`, whose mistake would be made here too.
_BASE64URL = "[A-Za-z0-9_-]"
_BEGIN, _END = "(?<![A-Za-z0-9])", f"(?!{_BASE64URL})"
SHAPES = {
    "token": f"{_BEGIN}(?:at|rt|ac|dc)_{_BASE64URL}{{44}}{_END}",
    "client secret": f"{_BEGIN}cs_{_BASE64URL}{{43}}{_END}",
    "JWT": rf"{_BEGIN}eyJ{_BASE64URL}{{8,}}\.eyJ{_BASE64URL}{{8,}}\.{_BASE64URL}{{16,}}",
}

_ANY = re.compile(
    "|".join(
        [
            *(f"(?P<{kind.replace(' ', '_')}>{shape})" for kind, shape in SHAPES.items()),
            f"(?P<canary>{'|'.join(sorted(map(re.escape, CANARIES), key=len, reverse=True))})",
        ]
    )
)


def found_in(text: str) -> list[str]:
    """What is in a text that must not be: its kind, how it begins, and what stands before it."""
    return [
        f"{match.lastgroup} {match[0][:12]}… after {before!r}"
        for match in _ANY.finditer(text)
        for before in [text[max(0, match.start() - 60) : match.start()]]
    ]
