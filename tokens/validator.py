"""Answers oauthlib's questions from our rows. Extends the toolkit's validator; see decision 0004.

Where the stock validator answers False and the reason is lost, this one raises the error itself.
`request` is oauthlib's; what is found for one question stays on it for the next.
"""

from typing import Any

from django.utils import timezone
from oauth2_provider.oauth2_validators import OAuth2Validator

from clients_admin.directory import directory
from clients_admin.models import Client
from idp import metrics
from idp.accounts.models import User
from idp.audit.tags import Tag
from tokens import client_authentication, id_token, issue, revoke
from tokens.errors import InvalidGrant, UnauthorizedClient
from tokens.format import Prefix
from tokens.scopes import to_store
from tokens.wire import parameters_of


class Validator(OAuth2Validator):
    # --- the client ---------------------------------------------------------------------------

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Always asked: a public client "authenticates" by naming itself."""
        return True

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        request.client = client_authentication.authenticate(
            parameters_of(request),
            request.headers.get("Authorization", ""),
            address=request.address,
        )
        request.client_id = request.client.client_id
        return True

    def validate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        request.client = directory.client(client_id)
        return request.client is not None and request.client.is_active

    def validate_grant_type(
        self,
        client_id: str,
        grant_type: str,
        client: Client,
        request: Any,
        *args: Any,
        **kwargs: Any,
    ) -> bool:
        # WORKAROUND: the toolkit maps grant types through a dict and asserts that it knows them
        # all, so an extension grant is a 500.
        if not client.allows_grant_type(grant_type):
            raise UnauthorizedClient(reason=f"client without the grant {grant_type}")
        return True
        # (end WORKAROUND)

    # --- the authorization request -------------------------------------------------------------

    def validate_response_type(
        self, client_id: str, response_type: str, client: Client, request: Any, *args: Any,
        **kwargs: Any,
    ) -> bool:  # fmt: skip
        if not client.allows_grant_type("authorization_code"):
            raise UnauthorizedClient(request=request)
        return True

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Client, request: Any, *args: Any,
        **kwargs: Any,
    ) -> bool:  # fmt: skip
        request.stored_scope = to_store(client, (request.scope or "").split())
        return True

    def get_default_redirect_uri(
        self, client_id: str, request: Any, *args: Any, **kwargs: Any
    ) -> str | None:
        """RFC 6749 section 3.1.2.3: may be left out where one single URI is registered.

        At the token endpoint the code's row knows it; `confirm_redirect_uri` compares.
        """
        if code_row := getattr(request, "code_row", None):
            return str(code_row.redirect_uri)
        uris = request.client.redirect_uris.split()
        return uris[0] if len(uris) == 1 else None

    def is_pkce_required(self, client_id: str, request: Any) -> bool:
        """RFC 9700 section 2.1.1: public clients MUST, and confidential ones may as well."""
        return True

    # --- the authorization code ------------------------------------------------------------------

    def save_authorization_code(
        self, client_id: str, code: Any, request: Any, *a: Any, **k: Any
    ) -> None:
        """Nothing: `AuthorizationCode.create_authorization_code` has written the row."""

    def validate_code(
        self, client_id: str, code: str, client: Client, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Takes the code's row for the transaction: of many racers one finds it unused."""
        now = timezone.now()
        reference = issue.hear(Prefix.AUTHORIZATION_CODE, code)
        if reference is None:
            raise InvalidGrant(reason="made-up code")
        row = issue.authorization_codes.by_id(reference.id, now, lock=True)
        if row is None or row.nonce != reference.nonce:
            raise InvalidGrant(reason="unknown code")
        if row.client_id != client.pk:
            raise InvalidGrant(reason="code of another client")
        if row.used_at is not None:
            # RFC 6749 section 4.1.2: "SHOULD revoke (when possible) all tokens previously issued
            # based on that authorization code".
            revoke.family(row, client, Tag.TOKENS_CODE_REPLAYED, now)
            metrics.count(metrics.CODE_REPLAYS, client=client.client_id)
            raise InvalidGrant(reason="code replayed, family revoked")
        if row.expires_at <= now:
            raise InvalidGrant(reason="code expired")
        request.code_row = row
        request.user = _active_user(row.user_id)
        request.scopes = row.scope.split()
        return True

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Client, request: Any, *a: Any,
        **k: Any,
    ) -> bool:  # fmt: skip
        """RFC 6749 section 4.1.3: "REQUIRED, if the redirect_uri parameter was included in the
        authorization request", "and their values MUST be identical"."""
        row = request.code_row
        given = not request.using_default_redirect_uri
        if given != row.redirect_uri_was_given or (given and redirect_uri != row.redirect_uri):
            raise InvalidGrant(reason="another redirect URI than at the authorization endpoint")
        return True

    def get_code_challenge(self, code: str, request: Any) -> str:
        return str(request.code_row.code_challenge)

    def get_code_challenge_method(self, code: str, request: Any) -> str:
        return "S256"

    # --- the refresh token -----------------------------------------------------------------------

    def validate_refresh_token(
        self, refresh_token: str, client: Client, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Rotates the token at once where it is that simple: it is the last thing that oauthlib
        asks. Otherwise takes its row and its family for the rest of the transaction."""
        now = timezone.now()
        reference = issue.hear(Prefix.REFRESH_TOKEN, refresh_token)
        if reference is None:
            raise InvalidGrant(reason="made-up refresh token")
        request.pair = None
        if not request.scope:
            id_token.require_signer(client)
            request.pair = issue.rotated_pair(client, reference, now)
        if request.pair is not None:
            request.refresh_row = request.pair.refresh_token
            return True
        row = issue.refresh_tokens.get(reference, now)
        if row is None:
            raise InvalidGrant(reason="unknown, expired or revoked refresh token")
        if row.client_id != client.pk:
            raise InvalidGrant(reason="refresh token of another client")
        # The family first, the row after it: the same order as in `revoke`. Then the row is read
        # once more, because whoever held the family may have ended it.
        issue.lock_family(row.family)
        row = issue.refresh_tokens.get(reference, now, lock=True)
        if row is None:
            raise InvalidGrant(reason="refresh token revoked meanwhile")
        request.refresh_row = row
        row.user = _active_user(row.user_id)
        return True

    def get_original_scopes(self, refresh_token: str, request: Any, *a: Any, **k: Any) -> str:
        return str(request.refresh_row.scope)

    def is_within_original_scope(
        self, scopes: list[str], refresh_token: str, request: Any, *a: Any, **k: Any
    ) -> bool:
        """`RefreshToken` narrows beside the row, where `*` and groups are known."""
        return True


def _active_user(user_id: int) -> User:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise InvalidGrant(reason="deleted or inactive user")
    return user
