"""Send a message to every URL of IDP_NOTIFY_URLS, to see that they work."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from idp import notifications


class Command(BaseCommand):
    help = "Send a message to every URL of IDP_NOTIFY_URLS now, without the worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("title")
        parser.add_argument("body", nargs="?", default="")

    def handle(self, *_arguments: Any, title: str, body: str, **_options: Any) -> None:
        outcome = notifications.deliver(title, body)
        for places, what in (
            (outcome.sent, "has it"),
            (outcome.failed, "refused it or did not answer"),
            (outcome.unusable, "is of no service that Apprise knows"),
        ):
            for place in places:
                self.stdout.write(f"URL {place} {what}.")
        if outcome.failed or outcome.unusable:
            raise CommandError("Not everybody has it.")
        if not outcome.sent:
            raise CommandError("IDP_NOTIFY_URLS is empty.")
