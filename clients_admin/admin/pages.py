"""The table of pages. The toolkit registers `ClientAdmin` itself; `tokens` registers its own."""

from django.contrib import admin
from django.contrib.auth.models import Group

from branding.models import Brand
from clients_admin.admin.accounts import LocalAccountAdmin, UserAdmin
from clients_admin.admin.audit import AuditEventAdmin
from clients_admin.admin.blocks import BlockAdmin, NetworkProfileAdmin
from clients_admin.admin.brands import BrandAdmin
from clients_admin.admin.login_services import LoginServiceAdmin
from clients_admin.admin.proposals import ProposalAdmin
from clients_admin.admin.scopes import ScopeAdmin, ScopeGroupAdmin
from clients_admin.admin.trusted_issuers import TrustedIssuerAdmin
from clients_admin.models import Proposal, Scope, ScopeGroup
from idp.accounts.models import LocalAccount, LoginService, TrustedIssuer, User
from idp.audit.models import AuditEvent
from idp.blocking.models import Block, NetworkProfile

PAGES = {
    Scope: ScopeAdmin,
    ScopeGroup: ScopeGroupAdmin,
    Proposal: ProposalAdmin,
    Brand: BrandAdmin,
    LoginService: LoginServiceAdmin,
    TrustedIssuer: TrustedIssuerAdmin,
    LocalAccount: LocalAccountAdmin,
    User: UserAdmin,
    Block: BlockAdmin,
    NetworkProfile: NetworkProfileAdmin,
    AuditEvent: AuditEventAdmin,
}


def register() -> None:
    """Puts the pages on the admin site; roles are defined in code, so Django's groups leave it."""
    for model, page in PAGES.items():
        admin.site.register(model, page)
    admin.site.unregister(Group)
