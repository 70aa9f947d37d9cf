"""What a call needs: a scope of the token, and of an operator also a permission of their role."""

from dataclasses import dataclass

from clients_admin.models import Client
from idp.accounts import operator_rights
from idp.accounts.models import User
from idp.accounts.operator_rights import Rights
from idp.audit.details import without_secrets
from tokens.errors import AccessDenied, InsufficientScope, TemporarilyUnavailable

READ = "idp.config.read"
WRITE = "idp.config.write"
LIFT_BLOCKS = "idp.blocks.lift"

# As the OpenAPI document says them. See docs/decisions.
SCOPES = {
    READ: "See the configuration, blocks and audit events",
    WRITE: "Change clients, their secrets, scopes and scope groups",
    LIFT_BLOCKS: "Lift blocks of addresses and users",
}


@dataclass(frozen=True, slots=True)
class Right:
    """What the token of a caller has to hold, and what the role of an operator has to allow."""

    scope: str
    permission: str

    @property
    def is_to_look(self) -> bool:
        return self.permission.partition(".")[2].startswith("view_")


class NoRole(AccessDenied):
    """No other token of this operator would help, so it is not `insufficient_scope`."""

    status_code = 403
    description = "Your role as an operator does not allow this."


class RoleUnknown(TemporarilyUnavailable):
    description = "The directory of operators cannot be reached. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a client for itself, or an operator through a client."""

    client: Client
    operator: User | None
    scopes: frozenset[str]

    @property
    def name(self) -> str:
        """As the audit and the row of a block say it."""
        client = f"client {self.client.client_id}"
        # A directory may call somebody as no event may call anybody.
        return f"{without_secrets(str(self.operator))}, {client}" if self.operator else client

    def require(self, right: Right) -> None:
        """Raises InsufficientScope, NoRole or RoleUnknown.

        For a client that acts for itself its scopes decide: an editor has given them to it.
        """
        if right.scope not in self.scopes:
            raise InsufficientScope(right.scope, reason=f"without {right.scope}")
        if self.operator is not None:
            _require_role(self.operator, right)


def _require_role(operator: User, right: Right) -> None:
    rights = operator_rights.of(operator)
    if rights is Rights.LOOKING and not right.is_to_look:
        raise RoleUnknown(reason="the directory of operators is away")
    may = rights is not Rights.NONE and operator.is_staff and operator.has_perm(right.permission)
    if not may:
        raise NoRole(reason=f"without {right.permission}")
