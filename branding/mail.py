"""Writes a mail in a brand's look and language, as plain text and as HTML, and sends it."""

from email.headerregistry import Address

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import translation
from django.utils.functional import Promise

from branding import overrides
from branding.look import Look, look_of
from branding.models import Brand


def send(
    to: str,
    brand: Brand | None,
    language: str,
    template: str,
    *,
    subject: str | Promise,
    **context: object,
) -> None:
    """One of `branding/mail/*`, of which there are a .txt and a .html.

    Raises OSError where the mail server takes no mail.
    """
    with translation.override(language):
        look = look_of(brand, language) if brand else None
        words = {**context, "brand": look, "language": language, "title": subject}
        words["logo_url"] = _logo_url(look)
        slug = brand.slug if brand else ""
        text = overrides.render(slug, f"{template}.txt", words)
        html = overrides.render(slug, f"{template}.html", words)
        title = _one_line(f"{subject} \N{EN DASH} {brand.name}" if brand else str(subject))
    message = EmailMultiAlternatives(
        title,
        text,
        _sender(brand),
        [to],
        # RFC 3834 section 5: so that no mailbox answers that its owner is on holiday.
        headers={"Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(html, "text/html")
    message.send()


def _logo_url(look: Look | None) -> str:
    """Mail programs show no SVG, and many no WebP; the name of the brand stands there instead."""
    is_shown = look is not None and look.logo_url.endswith(".png")
    return f"{settings.PUBLIC_URL}{look.logo_url}" if look and is_shown else ""


def _sender(brand: Brand | None) -> str:
    address = settings.DEFAULT_FROM_EMAIL
    return str(Address(_one_line(brand.name), addr_spec=address)) if brand else address


def _one_line(text: str) -> str:
    """For a header: what is no character of a line becomes a blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
