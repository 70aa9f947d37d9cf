"""A user takes back what they let a client have: what is remembered of it, and all of its tokens.

For a client of our own, whose users are not asked, the same row says when they did.
"""

from datetime import datetime

from django.db import transaction

from clients_admin.models import Client
from idp import metrics
from idp.accounts.models import User
from idp.audit.record import record
from idp.audit.tags import Tag
from tokens import revoke
from tokens.errors import InvalidGrant
from tokens.models import AuthorizationCode, Consent, DeviceAuthorization


def withdraw(user: User, client: Client, now: datetime) -> int:
    """Ends all at once, in all processes; answers how many token rows went.

    The row of the consent is held first: a code that is exchanged at this moment is through, and
    its tokens are found here, or waits and is refused.
    """
    with transaction.atomic():
        row, _ = Consent.objects.select_for_update().get_or_create(user=user, client=client)
        row.scope = row.declined_scope = row.claims = ""
        row.withdrawn_at = now
        row.save()
        approved = DeviceAuthorization.State.APPROVED
        devices = DeviceAuthorization.objects.filter(user=user, client=client, state=approved)
        devices.update(state=DeviceAuthorization.State.DENIED)
        gone = revoke.all_of(user.pk, now, client)
        record(
            Tag.TOKENS_CONSENT_WITHDRAWN,
            client_id=client.client_id,
            user_id=user.pk,
            at=now,
            rows=gone,
        )
    metrics.count(metrics.REVOCATIONS, client=client.client_id, kind="withdrawn")
    return gone


def refuse_if_withdrawn_since(code: AuthorizationCode) -> None:
    """Raises InvalidGrant for a code that was issued before its user took the consent back.

    Holds the row until the tokens are written, so that whoever withdraws it meanwhile finds them.
    """
    consents = Consent.objects.filter(user_id=code.user_id, client_id=code.client_id)
    found = consents.select_for_update(no_key=True).values_list("withdrawn_at", flat=True).first()
    if found is not None and found >= code.issued_at:
        raise InvalidGrant(reason="consent withdrawn since the code was issued")
