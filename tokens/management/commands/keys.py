"""See the signing keys, rotate them and go back."""

import getpass
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tokens.keys import listing, resealing, rotation
from tokens.keys.models import SigningKey
from tokens.keys.orders import Done, NotFetchedError, Order, RefusedError, TooEarlyError
from tokens.keys.periods import KNOWN_EVERYWHERE_AFTER, PUBLISH_AHEAD
from tokens.keys.vault import Seal

EXIT_REFUSED = 1
EXIT_AGAIN = 3
WAIT = f"{KNOWN_EVERYWHERE_AFTER.seconds} seconds"


class Command(BaseCommand):
    help = (
        "List the signing keys, rotate them, roll back, retire them or seal them anew. Exit codes: "
        f"0 done, {EXIT_REFUSED} refused and nothing changed, {EXIT_AGAIN} not yet: the same "
        "command again, a few seconds later, goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        _add_list(actions.add_parser("list", help="all keys, and what is next for each"))
        action = actions.add_parser("rotate", help="let the next key sign now")
        _add_algorithm(action)
        _add_order(action, force=True)
        action = actions.add_parser("rollback", help="let the key sign that signed before")
        _add_algorithm(action)
        action.add_argument("--to", default="", metavar="KID", help="another one that has signed")
        _add_order(action, force=True)
        action = actions.add_parser("retire", help="take a key out of the JWKS")
        action.add_argument("kid", metavar="KID", help="the key ID, or how it begins")
        action.add_argument(
            "--compromised",
            action="store_true",
            help="somebody else may have it: remove it at once, with all that it signed, for ever",
        )
        _add_order(action)
        action = actions.add_parser("reseal", help="encrypt all under the newest secret, now")
        _add_order(action)

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if options["action"] == "list":
            self.list(options["algorithm"])
            return
        try:
            done = _carry_out(options)
        except TooEarlyError as error:
            raise CommandError(str(error), returncode=EXIT_AGAIN) from None
        except NotFetchedError as error:
            problem = f"{error} --force does not wait for them."
            raise CommandError(problem, returncode=EXIT_REFUSED) from None
        except RefusedError as error:
            raise CommandError(str(error), returncode=EXIT_REFUSED) from None
        self.say(done, options)

    def list(self, algorithm: str) -> None:
        keys = [key for key in SigningKey.objects.all() if algorithm in {"", key.algorithm}]
        for line in listing.table(keys):
            self.stdout.write(line)
        seals = {key.seal for key in keys}
        if Seal.OLDER in seals:
            self.stdout.write(
                "\nAn older secret is still needed: leave it in IDP_SECRET_KEYS, or `keys reseal`."
            )
        if Seal.MISSING in seals:
            self.stdout.write(
                "\nA secret is missing in IDP_SECRET_KEYS: its keys are published and cannot sign."
            )

    def say(self, done: Done, options: dict[str, Any]) -> None:
        for line in done.lines or ["Nothing to do."]:
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("This is what would be done; nothing is changed.")
        elif not done.is_complete:
            problem, code = _INCOMPLETE[options["action"]]
            raise CommandError(problem, returncode=code)


_NOT_YET = (
    f"Nothing else signs yet: again in {WAIT} with --force, or {PUBLISH_AHEAD.days} days from now."
)
# What is still to be done where the first step is not the last, and the exit code.
_INCOMPLETE = {
    "rotate": (_NOT_YET, EXIT_AGAIN),
    "rollback": (_NOT_YET, EXIT_AGAIN),
    "retire": (f"Nothing is removed yet: again in {WAIT}.", EXIT_AGAIN),
    "reseal": ("What cannot be opened stays as it is: put its secret back.", EXIT_REFUSED),
}


def _carry_out(options: dict[str, Any]) -> Done:
    order = Order(
        actor=f"command {_operator()}",
        reason=options["reason"],
        force=options.get("force", False),
        dry_run=options["dry_run"],
    )
    match options:
        case {"action": "rotate", "algorithm": algorithm}:
            return rotation.rotate(algorithm, order)
        case {"action": "rollback", "algorithm": algorithm, "to": kid}:
            return rotation.rollback(algorithm, order, kid=kid)
        case {"action": "retire", "kid": kid, "compromised": True}:
            return rotation.remove_compromised(kid, order)
        case {"action": "retire", "kid": kid}:
            return rotation.retire(kid, order)
    return resealing.reseal(order)


def _operator() -> str:
    """Who runs the command; a container often has a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _add_list(action: ArgumentParser) -> None:
    action.add_argument("--algorithm", default="", choices=["", *rotation.ALGORITHMS])


def _add_algorithm(action: ArgumentParser) -> None:
    # Never all at once: what goes wrong with one has then touched one.
    action.add_argument("--algorithm", required=True, choices=rotation.ALGORITHMS)


def _add_order(action: ArgumentParser, *, force: bool = False) -> None:
    action.add_argument("--reason", default="", help="why, for the audit")
    action.add_argument("--dry-run", action="store_true", help="say what it would do")
    if force:
        action.add_argument(
            "--force",
            action="store_true",
            help="do not wait until all who verify have surely fetched the key; never does it "
            f"sign in the {WAIT} before all of our own processes publish it",
        )
