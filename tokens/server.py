"""oauthlib's server with our grants, fed strictly."""

from collections.abc import Callable
from functools import cache
from typing import Any

from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauthlib.common import CaseInsensitiveDict
from oauthlib.common import Request as OAuthRequest
from oauthlib.oauth2 import AuthorizationEndpoint, TokenEndpoint

from idp import net
from tokens.grants import GRANTS
from tokens.kept_answers import Keepable
from tokens.wire import Answer, Call, Parameters


class TokenRequest(OAuthRequest):
    """What oauthlib's grants ask of a request, of parameters that `tokens.wire` has read.

    oauthlib would encode and parse them once more. It knows parameters by these names, and no
    others: what else a request says cannot be mistaken for what a grant has found.
    """

    _NONE_GIVEN = OAuthRequest("")._params

    def __init__(self, call: Call, parameters: Parameters) -> None:
        self.uri, self.http_method, self.body = call.path, call.method, None
        self.address, self.address_is_asserted = call.address, net.IS_ASSERTED in call.meta
        headers = {"Authorization": call.authorization, "Origin": call.header("ORIGIN")}
        self.headers = CaseInsensitiveDict({name: text for name, text in headers.items() if text})
        self.decoded_body = list(parameters.items())
        self.oauth_params: list[Any] = []
        self.validator_log: dict[str, Any] = {}
        given = {name: text for name, text in parameters.items() if name in self._NONE_GIVEN}
        self._params = self._NONE_GIVEN | given
        self.keepable: Callable[[], Keepable] | None = (
            None  # A grant says here that its answer may be kept.
        )

    @property
    def duplicate_params(self) -> list[str]:
        """None: `tokens.wire` has refused them."""
        return []


class Server(AuthorizationEndpoint, TokenEndpoint):
    """The two endpoints that oauthlib drives. Named by OAUTH2_SERVER_CLASS."""

    def __init__(self, request_validator: Any, **_: Any) -> None:
        grants = {name: grant(request_validator) for name, grant in GRANTS.items()}
        AuthorizationEndpoint.__init__(
            self,
            default_response_type="code",
            default_token_type=None,
            response_types={"code": grants["authorization_code"]},
        )
        TokenEndpoint.__init__(
            self,
            default_grant_type="authorization_code",
            default_token_type=None,
            grant_types=grants,
        )
        self.request_validator = request_validator

    def answer(self, call: Call, parameters: Parameters) -> Answer:
        """The token endpoint's answer, for a `grant_type` that is among the grants."""
        request = TokenRequest(call, parameters)
        grant = self.grant_types[parameters["grant_type"]]
        headers, body, status = grant.create_token_response(request, None)
        return Answer(body.encode(), int(status), headers, request.keepable)


@cache
def server() -> Server:
    """The one server, as the toolkit makes it of its settings."""
    made: Server = get_oauthlib_core().server
    return made
