"""The addresses of the account; those of passwords are in `idp.urls`, beside their pages."""

from django.urls import path

from tokens.account.applications import applications_page
from tokens.account.overview import overview_page
from tokens.account.passkeys import passkeys_page
from tokens.account.second_factor import second_factor_page
from tokens.account.sessions import sessions_page
from tokens.account.sign_ins import sign_ins_page

urlpatterns = [
    path("account/", overview_page, name="account-overview"),
    path("account/sessions", sessions_page, name="account-sessions"),
    path("account/applications", applications_page, name="account-applications"),
    path("account/second-factor", second_factor_page, name="account-second-factor"),
    path("account/passkeys", passkeys_page, name="account-passkeys"),
    path("account/sign-ins", sign_ins_page, name="account-sign-ins"),
]
