"""How the operators' UI looks: read by the settings as UNFOLD, so nothing here knows a model."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _file(path: str) -> Callable[[HttpRequest], str]:
    return lambda _request: static(path)


def _page(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    """A link of the sidebar, shown to those who may see the page."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": lambda request: request.user.has_perm(f"{app}.view_{model}"),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "IDP",
    "SITE_HEADER": "Identity provider",
    "SITE_SUBHEADER": "For operators",
    "SITE_SYMBOL": "passkey",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _file("branding/icon.svg")},
    ],
    "DASHBOARD_CALLBACK": "clients_admin.admin.dashboard.context",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [_file("clients_admin/operators.css")],
    "SCRIPTS": [_file("clients_admin/operators.js")],
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Clients",
                "items": [
                    _page("Clients", "apps", "clients_admin", "client"),
                    _page("Scopes", "verified_user", "clients_admin", "scope"),
                    _page("Scope groups", "account_tree", "clients_admin", "scopegroup"),
                    _page("Proposals", "rule", "clients_admin", "proposal"),
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _page("Brands", "palette", "branding", "brand"),
                    _page("Login services", "login", "idp", "loginservice"),
                    _page("Trusted issuers", "handshake", "idp", "trustedissuer"),
                    _page("Local accounts", "badge", "idp", "localaccount"),
                    _page("Users", "group", "idp", "user"),
                ],
            },
            {
                "title": "Blocking",
                "separator": True,
                "items": [
                    _page("Blocks", "block", "idp", "block"),
                    _page("Network profiles", "lan", "idp", "networkprofile"),
                ],
            },
            {
                "title": "Audit",
                "separator": True,
                "items": [_page("Audit events", "history", "idp", "auditevent")],
            },
            {
                "title": "Keys",
                "separator": True,
                "items": [_page("Signing keys", "key", "tokens", "signingkey")],
            },
        ],
    },
}
