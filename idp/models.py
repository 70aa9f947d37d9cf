"""The models of the ground floor, gathered from their packages for Django's app registry."""

from idp.accounts.models import BrowserSession, LocalAccount, LoginService, TrustedIssuer, User
from idp.audit.models import AuditEvent
from idp.blocking.models import Block, FailedAttempt, NetworkProfile
from idp.expiry_warnings import ExpiryWarning
from idp.spent_assertions import SpentAssertion
from idp.tallies.models import Tally

__all__ = [
    "AuditEvent",
    "Block",
    "BrowserSession",
    "ExpiryWarning",
    "FailedAttempt",
    "LocalAccount",
    "LoginService",
    "NetworkProfile",
    "SpentAssertion",
    "Tally",
    "TrustedIssuer",
    "User",
]
