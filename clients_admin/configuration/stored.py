"""What is stored, and how a file would describe it.

`apply` compares files with these descriptions and `export` writes them, so what is exported is
by construction what a comparison finds no difference in.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Lower

from branding.models import FILES, Brand
from clients_admin.models import Client, Scope, ScopeGroup
from idp.accounts.models import LocalAccount, LoginService, TrustedIssuer


def wait_for_other_runs() -> None:
    """Until the end of the transaction, no other run reads or writes configuration."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('idp configuration', 0))")


def clients() -> QuerySet[Client]:
    """Clients with all that `client` reads."""
    return Client.objects.select_related("brand").prefetch_related(
        "scopes", "scope_groups", "clientloginservice_set__login_service"
    )


def scope_groups() -> QuerySet[ScopeGroup]:
    return ScopeGroup.objects.prefetch_related("scopes", "groups")


def login_services() -> QuerySet[LoginService]:
    return LoginService.objects.select_related("brand")


def trusted_issuers() -> QuerySet[TrustedIssuer]:
    return TrustedIssuer.objects.select_related("login_service")


def accounts() -> QuerySet[LocalAccount]:
    return LocalAccount.objects.select_related("login_service").order_by(
        "login_service__name", Lower("username")
    )


def brands() -> QuerySet[Brand]:
    return Brand.objects.select_related(*FILES)


def _locked[Row: Model](rows: QuerySet[Row]) -> QuerySet[Row]:
    # Not the rows beside them: an outer join cannot be locked.
    return rows.select_for_update(of=("self",), no_key=True)


@dataclass(slots=True)
class Rows:
    """The rows that a file may change or name, locked, by name; new ones are added as they come."""

    brands: dict[str, Brand]
    scopes: dict[str, Scope]
    scope_groups: dict[str, ScopeGroup]
    login_services: dict[str, LoginService]
    trusted_issuers: dict[str, TrustedIssuer]
    accounts: dict[tuple[str, str], LocalAccount]
    clients: dict[str, Client]

    @classmethod
    def load(cls, usernames: Collection[str], client_ids: Collection[str]) -> Self:
        """All rows, but of users and clients, of which there may be many, only the named ones."""
        # Also the very user names: PostgreSQL and Python may differ on a letter's lower case.
        lower = Q(lower__in=[username.lower() for username in usernames])
        named = accounts().alias(lower=Lower("username")).filter(lower | Q(username__in=usernames))
        return cls(
            brands={row.slug: row for row in _locked(brands())},
            scopes={row.name: row for row in _locked(Scope.objects.all())},
            scope_groups={row.name: row for row in _locked(scope_groups())},
            login_services={row.name: row for row in _locked(login_services())},
            trusted_issuers={row.name: row for row in _locked(trusted_issuers())},
            accounts={account_key(r.login_service.name, r.username): r for r in _locked(named)},
            clients={
                row.client_id: row for row in _locked(clients().filter(client_id__in=client_ids))
            },
        )


def account_key(login_service: str, username: str) -> tuple[str, str]:
    """User names are compared without case, as when signing in."""
    return login_service, username.lower()


def brand(row: Brand) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "name": row.name,
        "primary_color": row.primary_color,
        "background_color": row.background_color,
        "scheme": row.scheme,
        "corner_radius": row.corner_radius,
        "font": row.font,
        **{name: file.data_url if (file := getattr(row, name)) else None for name in FILES},
        "texts": row.texts,
        "links": row.links,
        "hosts": sorted(row.hosts),
        "privacy_url": row.privacy_url,
        "terms_url": row.terms_url,
        "register_url": row.register_url,
        "reset_url": row.reset_url,
        "support_url": row.support_url,
        "languages": row.languages,
        "approvals_needed": row.approvals_needed,
    }


def scope(row: Scope) -> dict[str, Any]:
    return {
        "name": row.name,
        "description": row.description,
        "translations": dict(sorted(row.translations.items())),
    }


def scope_group(row: ScopeGroup) -> dict[str, Any]:
    scopes = [member.name for member in row.scopes.all()]
    groups = [member.name for member in row.groups.all()]
    members = sorted([*scopes, *groups])
    return {"name": row.name, "description": row.description, "members": members}


def login_service(row: LoginService) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "brand": row.brand.slug if row.brand else None,
        "settings": row.settings,
        "enabled": row.is_enabled,
    }


def trusted_issuer(row: TrustedIssuer) -> dict[str, Any]:
    return {
        "name": row.name,
        "issuer": row.issuer,
        "audience": row.audience,
        "jwks_url": row.jwks_url,
        "public_keys": row.public_keys,
        "algorithms": sorted(row.algorithms),
        "max_lifetime_seconds": row.max_lifetime_seconds,
        "subject_claim": row.subject_claim,
        "claims": row.claims,
        "login_service": row.login_service.name,
        "enabled": row.is_enabled,
    }


def account(row: LocalAccount) -> dict[str, Any]:
    """Without the password: nothing here is secret."""
    return {
        "login_service": row.login_service.name,
        "username": row.username,
        "claims": row.claims,
        "active": row.is_active,
    }


def client(row: Client) -> dict[str, Any]:
    """Without the secrets: nothing here is secret."""
    return {
        "client_id": row.client_id,
        "name": row.name,
        "description": row.description,
        "client_type": row.client_type,
        "grant_types": sorted(row.grant_types),
        "redirect_uris": row.redirect_uris.split(),
        "post_logout_redirect_uris": row.post_logout_redirect_uris.split(),
        "backchannel_logout_uri": row.backchannel_logout_uri,
        "backchannel_logout_session_required": row.backchannel_logout_session_required,
        "allowed_origins": row.allowed_origins.split(),
        "scopes": sorted(scope.name for scope in row.scopes.all()),
        "scope_groups": sorted(group.name for group in row.scope_groups.all()),
        "brand": row.brand.slug if row.brand else None,
        "login_services": [link.login_service.name for link in row.clientloginservice_set.all()],
        "jwks": row.jwks,
        "jwks_url": row.jwks_url,
        "flags": row.flags,
        "active": row.is_active,
    }
