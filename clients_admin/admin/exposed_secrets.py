"""The warning beside a client whose secret stood in a URL, until that secret has ended.

Viewers see it too: it is the one thing that they are told of a client's secrets.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.safestring import SafeString

from clients_admin.models import Client, ClientSecret

_BADGE = SafeString('<span class="operators-badge">secret exposed</span>')


def with_warning(clients: QuerySet[Client]) -> QuerySet[Client]:
    """The clients with what `badge` needs, in the same query."""
    is_live = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    exposed = ClientSecret.objects.filter(is_live, client=OuterRef("pk"), exposed_at__isnull=False)
    return clients.annotate(has_exposed_secret=Exists(exposed))


def badge(client: Client) -> SafeString:
    return _BADGE if getattr(client, "has_exposed_secret", False) else SafeString("")
