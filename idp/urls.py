"""Every URL of the product."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path

from idp.ops.health import healthz, readyz
from idp.ops.scrape import metrics
from tokens.account import urls as account
from tokens.api import urls as api
from tokens.api.openapi import schema
from tokens.endpoints.authorize import authorize
from tokens.endpoints.device_authorization import device_authorization
from tokens.endpoints.discovery import discovery, jwks
from tokens.endpoints.internal_jwt import internal_jwt
from tokens.endpoints.introspect import introspect
from tokens.endpoints.logout import logout, sign_out_page
from tokens.endpoints.par import par
from tokens.endpoints.revoke import revoke
from tokens.endpoints.token import token
from tokens.endpoints.userinfo import userinfo
from tokens.interaction.accounts import account_page
from tokens.interaction.consent import consent_page
from tokens.interaction.device import device_page
from tokens.interaction.password_change import change_page
from tokens.interaction.password_reset import follow_link, forgotten_page, reset_page
from tokens.interaction.sign_in import sign_in_page

handler404 = "idp.outage.not_found"
handler500 = "idp.outage.server_error"


def to_admin(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/admin/")


def to_change_password(request: HttpRequest) -> HttpResponse:
    """Where password managers look (W3C, A Well-Known URL for Changing Passwords)."""
    return HttpResponseRedirect("/account/password")


urlpatterns = [
    path("oauth2/authorize", authorize),
    path("oauth2/par", par),
    path("oauth2/token", token),
    path("oauth2/introspect", introspect),
    path("oauth2/revoke", revoke),
    path("oauth2/userinfo", userinfo),
    path("oauth2/logout", logout),
    path("oauth2/device_authorization", device_authorization),
    path("oauth2/device", device_page),
    path("internal/jwt", internal_jwt),
    path(".well-known/openid-configuration", discovery),
    path(".well-known/oauth-authorization-server", discovery),
    path(".well-known/jwks.json", jwks),
    path(".well-known/change-password", to_change_password),
    path("sign-in", sign_in_page),
    path("select-account", account_page),
    path("consent", consent_page),
    path("sign-out", sign_out_page, name="sign-out"),
    *account.urlpatterns,
    path("account/password", change_page, name="account-password"),
    path("account/password/forgotten", forgotten_page),
    path("account/password/reset", reset_page),
    path("account/password/reset/<str:token>", follow_link),
    path("api/schema", schema),
    *api.urlpatterns,
    path("", include("branding.urls")),
    path("admin", to_admin),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
]
