"""The kinds of audit events: `source:subject:action`, each with its meaning in one sentence."""

from enum import StrEnum


class Tag(StrEnum):
    """All of them; a tag is never renamed, because the rows that bear it cannot be changed."""

    meaning: str

    def __new__(cls, tag: str, meaning: str) -> "Tag":
        member = str.__new__(cls, tag)
        member._value_ = tag
        member.meaning = meaning
        return member

    TOKENS_FAMILY_REPLAYED = (
        "tokens:family:replayed",
        "A rotated refresh token was presented again after its grace time; the family was revoked.",
    )
    TOKENS_CODE_REPLAYED = (
        "tokens:code:replayed",
        "An authorization code was presented again; the family was revoked.",
    )
    TOKENS_ACCESS_TOKEN_EVICTED = (
        "tokens:access_token:evicted",
        "A use-case had more access tokens than the client's cap; the oldest were ended.",
    )
    TOKENS_FAMILY_EVICTED = (
        "tokens:family:evicted",
        "A use-case had more refresh tokens than the client's cap; the oldest logins were ended.",
    )
    TOKENS_FAMILY_REVOKED = (
        "tokens:family:revoked",
        "A client ended a login by revoking its refresh token.",
    )
    TOKENS_ACCESS_TOKEN_REVOKED = (
        "tokens:access_token:revoked",
        "A client revoked an access token.",
    )
