"""oauthlib's server with our grants, and the toolkit's bridge to it, fed strictly."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauthlib.oauth2 import AuthorizationEndpoint, TokenEndpoint

from tokens.grants import GRANTS
from tokens.wire import Parameters


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


class Backend(OAuthLibCore):
    """Hands over the parameters that `tokens.wire` has read. Named by OAUTH2_BACKEND_CLASS.

    The stock one parses the request again, keeps the last of repeated parameters, and passes the
    whole WSGI environment on as headers.
    """

    def _extract_params(self, request: HttpRequest) -> tuple[str, str, Any, dict[str, str]]:
        parameters: Parameters = request.parameters  # type: ignore[attr-defined]
        headers = {}
        if authorization := request.META.get("HTTP_AUTHORIZATION"):
            headers["Authorization"] = authorization
        if origin := request.META.get("HTTP_ORIGIN"):
            headers["Origin"] = origin
        if request.method == "POST":
            return request.path, "POST", list(parameters.items()), headers
        return f"{request.path}?{urlencode(parameters)}", "GET", None, headers
