"""Admin pages of this floor: signing keys, what it adds to the pages of clients and users, and the
closed ones of the toolkit's models (the settings name these)."""

from clients_admin.admin.accounts import UserAdmin
from clients_admin.admin.added_pages import AddedPage
from clients_admin.admin.clients import ClientAdmin
from tokens.admin import client_tokens, explain, second_factor, sessions, signing_keys
from tokens.admin.toolkit import (
    AccessTokenAdmin,
    AuthorizationCodeAdmin,
    IDTokenAdmin,
    RefreshTokenAdmin,
)

__all__ = [
    "AccessTokenAdmin",
    "AuthorizationCodeAdmin",
    "IDTokenAdmin",
    "RefreshTokenAdmin",
    "signing_keys",
]

ClientAdmin.add(
    AddedPage("tokens", "Tokens", client_tokens.tokens_page),
    AddedPage("revoke", "", client_tokens.revoke_page, methods=("GET", "POST")),
    AddedPage("explain", "Explain", explain.explain_page),
)
UserAdmin.add(
    AddedPage("sessions", "Sessions", sessions.sessions_page),
    AddedPage("revoke", "", sessions.revoke_page, methods=("GET", "POST")),
    AddedPage(
        "second-factor",
        "Second factor",
        second_factor.second_factor_page,
        methods=("GET", "HEAD", "POST"),
    ),
)
