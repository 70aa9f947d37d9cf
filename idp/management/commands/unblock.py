"""Lift blocks before their time."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from idp.accounts.models import LoginService
from idp.blocking import blocks, guard, subjects
from idp.net import parse_address


class Command(BaseCommand):
    help = "Lift the block of an address (of IPv6: of its /64), of a user, or all there are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("address", nargs="?", metavar="ADDRESS")
        which.add_argument("--user", nargs=2, metavar=("SERVICE", "NAME"))
        which.add_argument("--all", action="store_true")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        subject = None
        if options["user"]:
            subject = _of_user(*options["user"])
        elif not options["all"]:
            subject = _of_address(options["address"])
        actor = f"command unblock ({_whoever()})"
        lifted = blocks.lift_all(subject, actor=actor, now=timezone.now())
        for block in lifted:
            self.stdout.write(f"{block.kind} {block.label}: lifted")
        if not lifted:
            self.stdout.write("Nothing there is blocked.")


def _of_address(text: str) -> str:
    # As the list shows it: of IPv6 the network.
    address = parse_address(text.partition("/")[0])
    if address is None:
        raise CommandError("That is no address.")
    return subjects.of_address(str(address))


def _of_user(service_name: str, name: str) -> str:
    service = LoginService.objects.filter(name=service_name).first()
    if service is None:
        raise CommandError("There is no login service of that name.")
    return guard.UserName(service.pk, service.name, name).subject


def _whoever() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "nobody known"
