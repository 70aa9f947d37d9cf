"""Mail that is not sent: what IDP_MAIL_URL=console:// stands for."""

import logging
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

log = logging.getLogger(__name__)


class LoggingBackend(BaseEmailBackend):
    """Logs that there was a mail, and not what it says: a link in it opens an account."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            log.warning(
                "Mail %r to %s is not sent: IDP_MAIL_URL is console://",
                str(message.subject),
                ", ".join(map(_shown, message.to)),
            )
        return len(email_messages)


def _shown(address: str) -> str:
    """`j•••@example.org`."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}•••@{domain}"
