"""Read the audit."""

import os
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from idp.accounts import finding
from idp.audit import export
from idp.audit.models import AuditEvent, AuditEventQuerySet
from idp.audit.tags import Tag


class Command(BaseCommand):
    help = "Write audit events as JSON lines; docs/audit-events.md names the fields and the tags."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        action = actions.add_parser("export", help="write events as JSON lines, oldest first")
        action.add_argument(
            "--from",
            dest="since",
            type=_moment,
            metavar="TIME",
            help="the first moment, such as 2026-11-05T09:30:00Z",
        )
        action.add_argument(
            "--to", dest="before", type=_moment, metavar="TIME", help="the moment to stop before"
        )
        action.add_argument("--tag", type=_tag, help="such as blocking:user:blocked")
        action.add_argument("--client", type=_text, metavar="CLIENT_ID")
        action.add_argument("--user", type=_text, metavar="USER", help=finding.HOW_TO_NAME)
        action.add_argument(
            "--address",
            dest="network",
            type=_network,
            metavar="ADDRESS",
            help="an address, or a network such as 10.1.0.0/16",
        )
        action.add_argument(
            "--follow", action="store_true", help="go on with new events until interrupted"
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if options["follow"] and options["before"]:
            raise CommandError("--follow has no end, so it goes without --to.")
        events = _chosen(options)
        follow = export.follow if options["follow"] else export.lines
        try:
            with _interrupts() as interrupted:
                self.write(follow(events, finding.described), interrupted)
        except OperationalError:
            text = "The database does not answer; what is written is right."
            raise CommandError(text) from None
        except BrokenPipeError:
            # Whoever reads has enough, as `head` does. Python would complain of what is unwritten.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def write(self, lines: Iterator[str | None], interrupted: Event) -> None:
        """Whole lines, until there are no more or somebody interrupts it."""
        for line in lines:
            if line is None:
                self.stdout.flush()
            else:
                self.stdout.write(line)
            if interrupted.is_set():
                break
        self.stdout.flush()


@contextmanager
def _interrupts() -> Iterator[Event]:
    """Set by Ctrl-C, which so ends nothing in the middle of a statement; twice, and it does."""
    interrupted = Event()

    def interrupt(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _chosen(options: dict[str, Any]) -> AuditEventQuerySet:
    events = AuditEvent.objects.all()
    if options["tag"]:
        events = events.with_tag(options["tag"])
    if options["client"] is not None:
        events = events.of_client(options["client"])
    if options["user"] is not None:
        users = finding.find(options["user"])
        if not users:
            raise CommandError(f"There is no such user: give {finding.HOW_TO_NAME}.")
        events = events.of_users(user.pk for user in users)
    if options["network"]:
        events = events.from_network(options["network"])
    if options["since"]:
        events = events.since(options["since"])
    if options["before"]:
        events = events.before(options["before"])
    return events


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{text!r} is no UTF-8") from None
    if "\0" in text:
        raise ArgumentTypeError("a name has no NUL in it")
    return text


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ArgumentTypeError(f"{text!r} is no time with its zone, such as 2026-11-05T09:30:00Z")
    return moment


def _tag(text: str) -> Tag:
    tag = next((tag for tag in Tag if tag == text), None)
    if tag is None:
        raise ArgumentTypeError(f"{text!r} is no tag; docs/audit-events.md lists them")
    return tag


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as problem:
        raise ArgumentTypeError(str(problem)) from None
