"""Each flag of the registry: its value, where that comes from, and what it means for a case."""

from collections.abc import Callable
from dataclasses import dataclass

from clients_admin.admin.durations import in_words
from clients_admin.admin.flag_table import as_text
from clients_admin.flags import FLAGS, Flag, Kind
from tokens import scopes
from tokens.explain import ways
from tokens.explain.case import Decided


@dataclass(frozen=True, slots=True)
class FlagRow:
    flag: Flag
    value: str
    is_set: bool
    meaning: str


def rows(decided: Decided) -> list[FlagRow]:
    client = decided.case.client
    return [
        FlagRow(flag, _text(decided, flag), flag.name in client.flags, MEANINGS[flag.name](decided))
        for flag in FLAGS
    ]


def _text(decided: Decided, flag: Flag) -> str:
    value = getattr(decided.case.flags, flag.name)
    return in_words(value) if flag.kind is Kind.SECONDS else as_text(value) or "none"


# --- Without effect, and why ----------------------------------------------------------------------


def _nothing(because: str) -> str:
    return f"Nothing here: {because}."


def _no_refresh_token(decided: Decided) -> str:
    if not decided.case.way.is_login:
        return _nothing("this grant gives no refresh token")
    return _nothing("the client does not have the grant refresh_token")


def _no_id_token(decided: Decided) -> str:
    if not decided.case.way.is_login:
        return _nothing("this grant gives no ID token")
    return _nothing("openid is not granted, so there is no ID token")


# --- Access tokens --------------------------------------------------------------------------------


def _access_token_seconds(decided: Decided) -> str:
    lives = decided.expiries.access_token - decided.case.now
    words = in_words(int(lives.total_seconds()))
    if lives.total_seconds() < decided.case.flags.access_token_seconds:
        return f"Cut to {words}, because the login ends then."
    return f"The access token lives for {words}."


def _access_token_reuse(decided: Decided) -> str:
    match decided.case.flags.access_token_reuse:
        case "never":
            return "Each request gets an access token of its own."
        case "recent":
            return "Requests at almost the same time get the same access token."
        case _:
            return "A living access token for the same scope is said again, to all sessions."


def _reuse_recent_seconds(decided: Decided) -> str:
    flags = decided.case.flags
    if flags.access_token_reuse != "recent":
        return _nothing(f"access_token_reuse is {flags.access_token_reuse}")
    return f"For {in_words(flags.reuse_recent_seconds)} after its issue a token is said again."


def _reuse_min_remaining_seconds(decided: Decided) -> str:
    flags = decided.case.flags
    if flags.access_token_reuse == "never":
        return _nothing("access_token_reuse is never")
    return f"One that ends within {in_words(flags.reuse_min_remaining_seconds)} is not said again."


def _max_access_tokens(decided: Decided) -> str:
    limit = decided.case.flags.max_access_tokens
    return (
        f"A job ends the oldest of more than {limit:,} for the same scope." if limit else "No cap."
    )


# --- Refresh tokens -------------------------------------------------------------------------------


def _of_refresh(meaning: Callable[[Decided], str]) -> Callable[[Decided], str]:
    """The meaning where there is a refresh token."""
    return lambda decided: (
        meaning(decided) if decided.has_refresh_token else _no_refresh_token(decided)
    )


def _refresh_token_seconds(decided: Decided) -> str:
    return f"Unused, the first one lives for {_first_refresh_token(decided)}."


def _first_refresh_token(decided: Decided) -> str:
    ends_at = decided.expiries.refresh_token or decided.case.now
    return in_words(int((ends_at - decided.case.now).total_seconds()))


def _refresh_expiry(decided: Decided) -> str:
    match decided.case.flags.refresh_expiry:
        case "fixed":
            return f"However often it is refreshed, all ends after {_first_refresh_token(decided)}."
        case "sliding_capped":
            return "Each refresh starts the lifetime anew, up to refresh_max_seconds."
        case _:
            return "Each refresh starts the lifetime anew: a login that is used does not end."


def _refresh_max_seconds(decided: Decided) -> str:
    flags = decided.case.flags
    if flags.refresh_expiry != "sliding_capped":
        return _nothing(f"refresh_expiry is {flags.refresh_expiry}")
    return f"Nothing of the login lives for longer than {in_words(flags.refresh_max_seconds)}."


def _refresh_rotation(decided: Decided) -> str:
    if decided.case.flags.refresh_rotation == "keep":
        return "The same refresh token stays, for as long as it lives."
    return "Each refresh gives a new refresh token, and the old one can be used no more."


def _refresh_grace_seconds(decided: Decided) -> str:
    flags = decided.case.flags
    if flags.refresh_rotation == "keep":
        return _nothing("refresh_rotation is keep")
    if not flags.refresh_grace_seconds:
        return "An old refresh token that comes again ends the login at once."
    grace = in_words(flags.refresh_grace_seconds)
    return f"For {grace} an old one gets the same answer again; after that it ends the login."


def _max_refresh_tokens(decided: Decided) -> str:
    limit = decided.case.flags.max_refresh_tokens
    return f"A job ends the oldest of more than {limit:,} logins." if limit else "No cap."


# --- JWTs -----------------------------------------------------------------------------------------


def _jwt_seconds(decided: Decided) -> str:
    case = decided.case
    lives = min(case.flags.jwt_seconds, _seconds_of_access_token(decided))
    return f"The gateway JWT lives for {in_words(lives)}, and no longer than its access token."


def _seconds_of_access_token(decided: Decided) -> int:
    return int((decided.expiries.access_token - decided.case.now).total_seconds())


def _of_gateway(name: str) -> Callable[[Decided], str]:
    """A flag that counts of whoever asks for the JWT."""

    def meaning(decided: Decided) -> str:
        gateway = decided.case.gateway
        value = as_text(getattr(gateway.effective_flags, name))
        if gateway.pk == decided.case.client.pk:
            return f"The gateway JWT has {value}, where this client itself asks for it."
        return _nothing(f"the flag of {gateway.client_id} counts, which asks for it: {value}")

    return meaning


def _of_id_token(meaning: Callable[[Decided], str]) -> Callable[[Decided], str]:
    """The meaning where there is an ID token."""
    return lambda decided: meaning(decided) if decided.has_id_token else _no_id_token(decided)


def _id_token_seconds(decided: Decided) -> str:
    return f"The ID token is valid for {in_words(decided.case.flags.id_token_seconds)}."


def _id_token_alg(decided: Decided) -> str:
    return f"The ID token is signed with {decided.case.flags.id_token_alg}."


# --- Who may --------------------------------------------------------------------------------------


def _consent(decided: Decided) -> str:
    if not decided.case.way.is_login:
        return _nothing("no user takes part")
    if decided.case.flags.consent == "never":
        kept = "is open" if decided.stored == scopes.ALL else "is what was asked for"
        return f"Nobody is asked; what is kept of the scope {kept}."
    asks = decided.case.way in {ways.AUTHORIZATION_CODE, ways.DEVICE_CODE}
    return f"{'The user is asked, and the' if asks else 'The'} scope is frozen to its list."


def _require_pushed_authorization_requests(decided: Decided) -> str:
    if decided.case.way is not ways.AUTHORIZATION_CODE:
        return _nothing("it is about the authorization code")
    if decided.case.flags.require_pushed_authorization_requests:
        return "The request must be pushed before the browser comes."
    return "The request may be pushed, or come by the browser."


def _consent_days(decided: Decided) -> str:
    if problem := _not_asked(decided):
        return problem
    if decided.case.flags.consent == "always":
        return _nothing("users are asked each time")
    days = decided.case.flags.consent_days
    return f"Users are asked again after {days} days." if days else "It stays until withdrawn."


def _link(name: str) -> Callable[[Decided], str]:
    """What a link on the page that asks is."""

    def meaning(decided: Decided) -> str:
        if problem := _not_asked(decided):
            return problem
        address = getattr(decided.case.flags, name)
        return f"Users who are asked find {address}." if address else "There is no such link."

    return meaning


def _not_asked(decided: Decided) -> str:
    """Why no user is asked for consent; empty where some are."""
    if decided.case.way not in {ways.AUTHORIZATION_CODE, ways.DEVICE_CODE}:
        return _nothing("no user is asked")
    return (
        _nothing("a client of our own asks nobody") if decided.case.flags.consent == "never" else ""
    )


def _required_acr(decided: Decided) -> str:
    required = decided.case.flags.required_acr
    if required == "any":
        return "However the user has signed in."
    if not decided.case.way.has_user:
        return _nothing("no user takes part")
    if decided.case.way.can_ask_for_second_factor:
        return "The user is asked for a second factor, or sets one up where the account is local."
    return "Refused: nobody signs in here who could be asked for a second factor."


def _allow_password_grant(decided: Decided) -> str:
    if decided.case.way is not ways.PASSWORD:
        return _nothing("it is about the password grant")
    return "It may be used." if decided.case.flags.allow_password_grant else "It is refused."


def _on_behalf(meaning: Callable[[Decided], str]) -> Callable[[Decided], str]:
    """The meaning where the client acts for a user."""
    return lambda decided: (
        meaning(decided)
        if decided.case.way is ways.ON_BEHALF_OF
        else _nothing("the client does not act for a user")
    )


def _on_behalf_of_login_services(decided: Decided) -> str:
    names = decided.case.flags.on_behalf_of_login_services
    return f"It may act for users of {', '.join(names)}." if names else "It may act for nobody."


def _on_behalf_of_scopes(decided: Decided) -> str:
    names = decided.case.flags.on_behalf_of_scopes
    return f"At most {', '.join(names)}, of what the client has." if names else "It may do nothing."


def _on_behalf_of_unknown_users(decided: Decided) -> str:
    if decided.case.user:
        return _nothing("the user is known")
    if decided.case.flags.on_behalf_of_unknown_users == "create":
        return "A user who was never here is made of what the client says."
    return "A user who was never here must be known to the login service."


def _may_assert_client_ip(decided: Decided) -> str:
    if decided.case.flags.may_assert_client_ip:
        return "What fails counts at the address that the client vouches for; tokens are the same."
    return "What fails counts at the address that the request comes from; tokens are the same."


MEANINGS: dict[str, Callable[[Decided], str]] = {
    "access_token_seconds": _access_token_seconds,
    "access_token_reuse": _access_token_reuse,
    "reuse_recent_seconds": _reuse_recent_seconds,
    "reuse_min_remaining_seconds": _reuse_min_remaining_seconds,
    "refresh_token_seconds": _of_refresh(_refresh_token_seconds),
    "refresh_expiry": _of_refresh(_refresh_expiry),
    "refresh_max_seconds": _of_refresh(_refresh_max_seconds),
    "refresh_rotation": _of_refresh(_refresh_rotation),
    "refresh_grace_seconds": _of_refresh(_refresh_grace_seconds),
    "max_access_tokens": _max_access_tokens,
    "max_refresh_tokens": _of_refresh(_max_refresh_tokens),
    "jwt_seconds": _jwt_seconds,
    "jwt_audience": _of_gateway("jwt_audience"),
    "jwt_alg": _of_gateway("jwt_alg"),
    "id_token_seconds": _of_id_token(_id_token_seconds),
    "id_token_alg": _of_id_token(_id_token_alg),
    "consent": _consent,
    "require_pushed_authorization_requests": _require_pushed_authorization_requests,
    "consent_days": _consent_days,
    "website_url": _link("website_url"),
    "privacy_url": _link("privacy_url"),
    "terms_url": _link("terms_url"),
    "required_acr": _required_acr,
    "allow_password_grant": _allow_password_grant,
    "on_behalf_of_login_services": _on_behalf(_on_behalf_of_login_services),
    "on_behalf_of_scopes": _on_behalf(_on_behalf_of_scopes),
    "on_behalf_of_unknown_users": _on_behalf(_on_behalf_of_unknown_users),
    "may_assert_client_ip": _may_assert_client_ip,
}
