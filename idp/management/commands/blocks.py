"""List the blocks that live now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from idp.blocking.models import Block


class Command(BaseCommand):
    help = "List the addresses and users that are blocked now, the newest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--all",
            action="store_true",
            help="also those that refuse nobody (shadow, warnings), and those that have ended",
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        blocks = Block.objects.order_by("-created_at")
        if not options["all"]:
            blocks = blocks.living(timezone.now()).filter(effect=Block.Effect.REFUSE)
        for block in blocks.iterator():
            self.stdout.write(_line(block))


def _line(block: Block) -> str:
    names = ", ".join(block.names)
    until = f"{block.until:%Y-%m-%d %H:%M} UTC"
    ended = f", ended by {block.ended_by}" if block.ended_by else ""
    return (
        f"{block.kind} {block.label}: {block.effect} until {until}{ended}; {block.reason}, "
        f"{block.attempts} attempts, names {names}"
    )
