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

    @property
    def source(self) -> str:
        """The part of the product that tells of it."""
        return self.partition(":")[0]

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
    TOKENS_ON_BEHALF_OF_ISSUED = (
        "tokens:on_behalf_of:issued",
        "A client got a token on behalf of a user who had not signed in.",
    )
    TOKENS_ON_BEHALF_OF_REFUSED = (
        "tokens:on_behalf_of:refused",
        "A client asked for a token on behalf of a user and did not get it.",
    )
    TOKENS_PASSWORD_GRANTED = (
        "tokens:password:granted",
        "A client got tokens for a user's password (the password grant).",
    )
    TOKENS_PASSWORD_REFUSED = (
        "tokens:password:refused",
        "A client sent a user name and a password and got nothing (the password grant).",
    )
    TOKENS_DEVICE_APPROVED = (
        "tokens:device:approved",
        "A user let a device have tokens (the device grant).",
    )
    TOKENS_DEVICE_DENIED = (
        "tokens:device:denied",
        "A user refused a device, which they may not have started.",
    )
    TOKENS_CONSENT_GIVEN = (
        "tokens:consent:given",
        "A user let a client have scopes.",
    )
    TOKENS_CONSENT_NARROWED = (
        "tokens:consent:narrowed",
        "A user took back scopes that a client had; a login at that client was ended.",
    )
    TOKENS_PAGE_REFUSED = (
        "tokens:page:refused",
        "A user was shown an error page; the details have its reference and the reason.",
    )
    TOKENS_CONSENT_WITHDRAWN = (
        "tokens:consent:withdrawn",
        "A user took back what they let a client have; all of its tokens for them ended.",
    )
    TOKENS_FAMILY_ISSUED = (
        "tokens:family:issued",
        "A client got the first tokens of a login.",
    )
    TOKENS_FAMILY_SIGNED_OUT = (
        "tokens:family:signed_out",
        "A user signed out, which ended a login that does not outlive its browser session.",
    )
    TOKENS_LOGOUT_DELIVERED = (
        "tokens:logout:delivered",
        "A client took the logout token of a user.",
    )
    TOKENS_LOGOUT_GIVEN_UP = (
        "tokens:logout:given_up",
        "A client could not be told that a user had signed out, and is not told any more.",
    )
    BRANDING_BRAND_CHANGED = (
        "branding:brand:changed",
        "A brand was made, changed or deleted.",
    )
    CLIENTS_CLIENT_CHANGED = (
        "clients:client:changed",
        "A client was made, changed or deleted.",
    )
    CLIENTS_SCOPE_CHANGED = (
        "clients:scope:changed",
        "A scope was made, changed or deleted.",
    )
    CLIENTS_SCOPE_GROUP_CHANGED = (
        "clients:scope_group:changed",
        "A scope group was made, changed or deleted.",
    )
    CLIENTS_CREDENTIAL_EXPOSED = (
        "clients:credential:exposed",
        "A request with credentials in its URL, where logs keep them, was refused.",
    )
    CLIENTS_SECRET_ADDED = (
        "clients:secret:added",
        "A client was given a new secret.",
    )
    CLIENTS_SECRET_ENDED = (
        "clients:secret:ended",
        "A secret of a client was ended, at once or for a time to come.",
    )
    CLIENTS_PROPOSAL_OPENED = (
        "clients:proposal:opened",
        "Somebody proposed a change of a client, a scope or a scope group.",
    )
    CLIENTS_PROPOSAL_APPROVED = (
        "clients:proposal:approved",
        "Somebody else approved a proposal.",
    )
    CLIENTS_PROPOSAL_COMMENTED = (
        "clients:proposal:commented",
        "Somebody commented on a proposal.",
    )
    CLIENTS_PROPOSAL_REFUSED = (
        "clients:proposal:refused",
        "Somebody tried to do something with a proposal that may not be done; the details say why.",
    )
    CLIENTS_PROPOSAL_REJECTED = (
        "clients:proposal:rejected",
        "Somebody closed a proposal of another one, with a comment.",
    )
    CLIENTS_PROPOSAL_WITHDRAWN = (
        "clients:proposal:withdrawn",
        "The author of a proposal closed it.",
    )
    CLIENTS_PROPOSAL_EXPIRED = (
        "clients:proposal:expired",
        "A proposal was open for too long and was closed.",
    )
    CLIENTS_PROPOSAL_APPLIED = (
        "clients:proposal:applied",
        "A proposal was applied; the event of the change itself names it.",
    )
    CLIENTS_EXPIRY_WARNED = (
        "clients:expiry:warned",
        "The operators were told that a certificate or a client secret ends soon or has ended.",
    )
    TOKENS_ASSERTION_ACCEPTED = (
        "tokens:assertion:accepted",
        "A client got tokens for the JWT of a trusted issuer.",
    )
    TOKENS_ASSERTION_REFUSED = (
        "tokens:assertion:refused",
        "A client presented a JWT of somebody else and got nothing.",
    )
    TOKENS_CLIENT_ASSERTION_REFUSED = (
        "tokens:client_assertion:refused",
        "Somebody presented a JWT in the name of a client, and it did not prove that.",
    )
    KEYS_SIGNING_KEY_PUBLISHED = (
        "keys:signing_key:published",
        "A signing key went into the JWKS, before it signs anything.",
    )
    KEYS_SIGNING_KEY_ACTIVATED = (
        "keys:signing_key:activated",
        "The next signing key began to sign.",
    )
    KEYS_SIGNING_KEY_RETIRING = (
        "keys:signing_key:retiring",
        "A signing key stopped signing; it stays published until its last token has ended.",
    )
    KEYS_SIGNING_KEY_ROLLED_BACK = (
        "keys:signing_key:rolled_back",
        "A signing key of before began to sign again.",
    )
    KEYS_SIGNING_KEY_RETIRED = (
        "keys:signing_key:retired",
        "A signing key left the JWKS.",
    )
    KEYS_SIGNING_KEY_COMPROMISED = (
        "keys:signing_key:compromised",
        "A signing key was removed at once and destroyed, because somebody else may have it.",
    )
    KEYS_SIGNING_KEY_RESEALED = (
        "keys:signing_key:resealed",
        "A private key was encrypted anew, under the newest secret.",
    )
    BLOCKING_ADDRESS_BLOCKED = (
        "blocking:address:blocked",
        "Too many attempts from an address failed; it is refused for a while.",
    )
    BLOCKING_ADDRESS_SHADOWED = (
        "blocking:address:shadowed",
        "An address would have been blocked, if IDP_BLOCKING were on.",
    )
    BLOCKING_ADDRESS_UNBLOCKED = (
        "blocking:address:unblocked",
        "Somebody lifted the block of an address.",
    )
    BLOCKING_ADDRESS_NOT_FORWARDED = (
        "blocking:address:not_forwarded",
        "Many users failed at one address through one client; the operators were warned of it.",
    )
    BLOCKING_USER_BLOCKED = (
        "blocking:user:blocked",
        "Too many passwords of a user were wrong; the user is refused for a while.",
    )
    BLOCKING_USER_SHADOWED = (
        "blocking:user:shadowed",
        "A user would have been blocked, if IDP_BLOCKING were on.",
    )
    BLOCKING_USER_UNBLOCKED = (
        "blocking:user:unblocked",
        "Somebody lifted the block of a user, or the user got a new password.",
    )
    BLOCKING_PROFILE_CHANGED = (
        "blocking:profile:changed",
        "A network profile was made, changed or deleted.",
    )
    TOKENS_CLIENT_ADDRESS_REFUSED = (
        "tokens:client_address:refused",
        "An assertion of the address that an application speaks for was ignored.",
    )
    TOKENS_USER_ENDED = (
        "tokens:user:ended",
        "A user was blocked or signed out by an operator, or got a new password; all tokens ended.",
    )
    TOKENS_FAMILY_ENDED = (
        "tokens:family:ended",
        "An operator ended one login of a user at a client, with all of its tokens.",
    )
    TOKENS_CLIENT_ENDED = (
        "tokens:client:ended",
        "An operator ended all tokens of a client; of many, each batch has its event.",
    )
    ACCOUNTS_PASSWORD_RESET_REQUESTED = (
        "accounts:password:reset_requested",
        "Somebody asked for a new password of an account; the details say whether a link was sent.",
    )
    ACCOUNTS_PASSWORD_RESET = (
        "accounts:password:reset",
        "A user set a new password by a link that they were sent.",
    )
    ACCOUNTS_PASSWORD_CHANGED = (
        "accounts:password:changed",
        "A user who knew the present password set a new one.",
    )
    ACCOUNTS_LOCAL_ACCOUNT_CHANGED = (
        "accounts:local_account:changed",
        "An account of a local login service was made, changed or deleted.",
    )
    ACCOUNTS_LOGIN_SERVICE_CHANGED = (
        "accounts:login_service:changed",
        "A login service was made, changed or deleted.",
    )
    ACCOUNTS_SESSION_BEGUN = (
        "accounts:session:begun",
        "A browser session of a user began.",
    )
    ACCOUNTS_SESSION_ENDED = (
        "accounts:session:ended",
        "A user signed out, which ended a browser session.",
    )
    ACCOUNTS_SESSIONS_ENDED = (
        "accounts:sessions:ended",
        "An operator ended all browser sessions of a user.",
    )
    ACCOUNTS_SESSION_REVOKED = (
        "accounts:session:revoked",
        "A user ended one of their browser sessions from another one.",
    )
    ACCOUNTS_SESSIONS_OTHERS_REVOKED = (
        "accounts:sessions:others_revoked",
        "A user ended all of their browser sessions but the one in which they did it.",
    )
    ACCOUNTS_PASSKEY_ADDED = (
        "accounts:passkey:added",
        "A user added a passkey, by which they can sign in.",
    )
    ACCOUNTS_PASSKEY_REMOVED = (
        "accounts:passkey:removed",
        "A passkey of a user was removed, by them or by an operator.",
    )
    ACCOUNTS_PASSKEY_ACCEPTED = (
        "accounts:passkey:accepted",
        "A user proved who they are by a passkey.",
    )
    ACCOUNTS_PASSKEY_REFUSED = (
        "accounts:passkey:refused",
        "What was presented as the signature of a passkey was not taken, for the reason given.",
    )
    ACCOUNTS_SECOND_FACTOR_ADDED = (
        "accounts:second_factor:added",
        "A user set up an authenticator app, and was given recovery codes.",
    )
    ACCOUNTS_SECOND_FACTOR_REMOVED = (
        "accounts:second_factor:removed",
        "The authenticator app of a user was removed, by them or by an operator.",
    )
    ACCOUNTS_SECOND_FACTOR_ACCEPTED = (
        "accounts:second_factor:accepted",
        "A user who had proved to know the password gave a right code, of the app or for recovery.",
    )
    ACCOUNTS_SECOND_FACTOR_REFUSED = (
        "accounts:second_factor:refused",
        "Somebody who had proved to know the password of a user gave no right code.",
    )
    ACCOUNTS_SIGN_IN_ACCEPTED = (
        "accounts:sign_in:accepted",
        "A login service accepted a user name and a password.",
    )
    ACCOUNTS_SIGN_IN_REFUSED = (
        "accounts:sign_in:refused",
        "A user name and a password were refused.",
    )
    ACCOUNTS_TRUSTED_ISSUER_CHANGED = (
        "accounts:trusted_issuer:changed",
        "A trusted issuer was made, changed or deleted.",
    )
    ACCOUNTS_USER_LOOKED_UP = (
        "accounts:user:looked_up",
        "An operator asked a login service about a user name, without a password.",
    )
    ACCOUNTS_USER_ADDED = (
        "accounts:user:added",
        "Somebody came for the first time, and a user was made for them.",
    )
    ACCOUNTS_USER_CHANGED = (
        "accounts:user:changed",
        "A login service said something new of a user, or an operator changed their rights.",
    )
    ACCOUNTS_ROLES_CHANGED = (
        "accounts:roles:changed",
        "A directory gave an operator other roles, or none.",
    )
