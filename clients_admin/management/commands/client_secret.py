"""Rotate, list or end the secrets of a client."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from clients_admin import secrets
from clients_admin.models import Client, ClientSecret

ACTOR = "manage.py client_secret"
MAX_DAYS = 365
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"\A([0-9]{1,6})([mhd])\Z")


class Command(BaseCommand):
    help = "Rotate, list or end the secrets of a client."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        action = actions.add_parser(
            "rotate", help="make a new secret and print it: it cannot be seen again"
        )
        action.add_argument("client_id")
        action.add_argument(
            "--old-ends-in",
            type=_duration,
            default=timedelta(days=7),
            metavar="TIME",
            help="when the old one ends: now, 30m, 12h or 7d (the default)",
        )
        action = actions.add_parser("list", help="the live secrets: never what they are")
        action.add_argument("client_id")
        action = actions.add_parser("end", help="end a secret at once")
        action.add_argument("client_id")
        action.add_argument("id", type=int, help="as list says it")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        client = _client(options["client_id"])
        match options:
            case {"action": "rotate", "old_ends_in": old_ends_in}:
                self.rotate(client, old_ends_in)
            case {"action": "list"}:
                for known in secrets.live(client):
                    self.stdout.write(_line(known))
            case {"action": "end", "id": secret_id}:
                self.end(client, secret_id)

    def rotate(self, client: Client, old_ends_in: timedelta) -> None:
        try:
            secret = secrets.rotate(client, old_ends_in=old_ends_in, actor=ACTOR)
        except secrets.TooManySecretsError:
            raise CommandError(
                f"{client.client_id} has {secrets.LIVE_AT_ONCE} live secrets: end one of them "
                "first, or give --old-ends-in now."
            ) from None
        self.stdout.write(secret)  # Nothing else, so that it can be read by a program.

    def end(self, client: Client, secret_id: int) -> None:
        known = next((known for known in secrets.live(client) if known.pk == secret_id), None)
        if known is None or not secrets.end(known, actor=ACTOR):
            raise CommandError(f"{client.client_id} has no live secret {secret_id}.")
        self.stdout.write(f"Secret {secret_id} of {client.client_id} has ended.")


def _client(client_id: str) -> Client:
    client = None if "\0" in client_id else Client.objects.filter(client_id=client_id).first()
    if client is None:
        raise CommandError(f"There is no client {client_id!r}.")
    if not client.is_confidential:
        raise CommandError(f"{client_id} is public: it has no secret.")
    return client


def _line(known: ClientSecret) -> str:
    parts = [
        f"{known.pk}",
        f"made {_moment(known.created_at)}",
        f"last used {_moment(known.last_used_at)}",
        f"ends {_moment(known.expires_at)}",
    ]
    if known.exposed_at:
        parts.append(f"STOOD IN A URL {_moment(known.exposed_at)}")
    return "  ".join(parts)


def _moment(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else "never"


def _duration(text: str) -> timedelta:
    if text == "now":
        return timedelta()
    found = _DURATION.match(text)
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if duration is None or duration > timedelta(days=MAX_DAYS):
        raise ArgumentTypeError(f"{text!r} is not now, 30m, 12h or 7d, up to {MAX_DAYS}d")
    return duration
