"""The parameters of a token exchange (RFC 8693 section 2.1) that all of its forms share."""

from clients_admin.models import Client
from tokens.errors import InvalidTarget
from tokens.wire import Parameters

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
# Ours (decision 0010): no token at all, but a user that the client names.
USER_REFERENCE_TYPE = "urn:idp:params:oauth:token-type:user-reference"


def check_target(client: Client, parameters: Parameters) -> None:
    """The one audience that a client's JWTs have is its flag. Raises InvalidTarget."""
    audience = client.effective_flags.jwt_audience
    if parameters.get("audience", audience) != audience:
        raise InvalidTarget(reason=f"audience {parameters['audience'][:100]!r}")
    if "resource" in parameters:
        raise InvalidTarget(reason="resource given")
