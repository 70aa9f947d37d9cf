"""`/oauth2/revoke` (RFC 7009): a refresh token takes its family along, an access token itself."""

from django.db import transaction
from django.utils import timezone

from clients_admin.models import Client
from idp import metrics
from idp.audit.tags import Tag
from tokens import issue, wire
from tokens import revoke as end
from tokens.client_authentication import authenticate
from tokens.errors import InvalidRequest
from tokens.format import Prefix


@wire.endpoint
def revoke(call: wire.Call) -> wire.Answer:
    parameters = wire.read_form(call)
    client = authenticate(parameters, call.authorization, address=call.address)
    if "token" not in parameters:
        raise InvalidRequest("token is missing.")
    with transaction.atomic():
        _revoke(client, parameters["token"])
    # RFC 7009 section 2.2: 200 "if the token has been revoked successfully or if the client
    # submitted an invalid token".
    return wire.Answer()


def _revoke(client: Client, token: str) -> None:
    """The prefix says what kind it is, so `token_type_hint` is not needed."""
    now = timezone.now()
    if reference := issue.hear(Prefix.REFRESH_TOKEN, token):
        refresh_token = issue.refresh_tokens.get(reference, now)
        if refresh_token and refresh_token.client_id == client.pk:
            end.family(refresh_token, client, Tag.TOKENS_FAMILY_REVOKED, now)
            metrics.count(metrics.REVOCATIONS, client=client.client_id, kind="family")
    elif reference := issue.hear(Prefix.ACCESS_TOKEN, token):
        access_token = issue.access_tokens.get(reference, now)
        if access_token and access_token.client_id == client.pk:
            end.access_token(access_token, client, now)
            metrics.count(metrics.REVOCATIONS, client=client.client_id, kind="access_token")
