"""Apply a configuration file, show what it would change, or write one."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clients_admin.configuration.apply import Applied, apply
from clients_admin.configuration.document import ConfigurationError
from clients_admin.configuration.export import export

EXIT_DIFFERENT = 2


class Command(BaseCommand):
    help = "Apply, compare or export brands, scopes, login services and clients as YAML."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        action = actions.add_parser("apply", help="make the database as the file says")
        action.add_argument("file", type=Path)
        action.add_argument("--dry-run", action="store_true", help="the same as config diff")
        action = actions.add_parser(
            "diff", help=f"show what apply would change; exit {EXIT_DIFFERENT} if anything"
        )
        action.add_argument("file", type=Path)
        action = actions.add_parser("export", help="write a file that apply understands")
        action.add_argument("file", type=Path, nargs="?", help="left out: to standard output")
        action.add_argument("--users", action="store_true", help="local users, without passwords")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        match options:
            case {"action": "apply", "dry_run": False, "file": file}:
                count = self.show(_applied(file))
                self.stdout.write(f"{_counted(count)} applied." if count else "Nothing to change.")
            case {"action": "apply" | "diff", "file": file}:
                self.compare(file)
            case {"action": "export", "file": file, "users": users}:
                self.export(file, export(users=users))

    def compare(self, file: Path) -> None:
        count = self.show(_applied(file, dry_run=True))
        if count:
            self.stdout.write(f"{_counted(count)} to apply.")
            sys.exit(EXIT_DIFFERENT)
        self.stdout.write("Nothing to change.")

    def show(self, applied: Applied) -> int:
        for change in applied.changes:
            self.stdout.write(str(change))
        for warning in applied.warnings:
            self.stderr.write(f"warning: {warning}")
        return len(applied.changes)

    def export(self, file: Path | None, text: str) -> None:
        if file is None:
            self.stdout.write(text, ending="")
            return
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file}: cannot be written: {error.strerror}") from None


def _applied(file: Path, *, dry_run: bool = False) -> Applied:
    try:
        return apply(file, dry_run=dry_run)
    except ConfigurationError as error:
        raise CommandError(f"{file} cannot be applied, nothing is changed:\n{error}") from None


def _counted(changes: int) -> str:
    return "1 change" if changes == 1 else f"{changes} changes"
