"""The models of the ground floor, gathered from their packages for Django's app registry."""

from idp.accounts.models import LocalAccount, LoginService, User
from idp.audit.models import AuditEvent

__all__ = ["AuditEvent", "LocalAccount", "LoginService", "User"]
