"""The models of the ground floor, gathered from their packages for Django's app registry."""

from idp.accounts.models import (
    AuthenticatorApp,
    BrowserSession,
    LocalAccount,
    LoginService,
    RecoveryCode,
    TrustedIssuer,
    User,
)
from idp.audit.models import AuditEvent
from idp.blocking.models import Block, FailedAttempt, NetworkProfile
from idp.expiry_warnings import ExpiryWarning
from idp.spent_assertions import SpentAssertion
from idp.tallies.models import Tally

__all__ = [
    "AuditEvent",
    "AuthenticatorApp",
    "Block",
    "BrowserSession",
    "ExpiryWarning",
    "FailedAttempt",
    "LocalAccount",
    "LoginService",
    "NetworkProfile",
    "RecoveryCode",
    "SpentAssertion",
    "Tally",
    "TrustedIssuer",
    "User",
]
