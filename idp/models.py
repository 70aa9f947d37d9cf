"""The models of the ground floor, gathered from their packages for Django's app registry."""

from idp.accounts.models import LocalAccount, LoginService, User

__all__ = ["LocalAccount", "LoginService", "User"]
