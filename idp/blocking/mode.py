"""IDP_BLOCKING: whether attempts are counted, and whether anybody is refused."""

from django.conf import settings


def counts() -> bool:
    return settings.BLOCKING != "off"


def refuses() -> bool:
    return settings.BLOCKING == "on"
