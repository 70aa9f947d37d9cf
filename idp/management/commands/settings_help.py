"""List all settings with type, default and meaning."""

import textwrap
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from pydantic.fields import FieldInfo

from idp.environment import Environment, variable

WIDTH = 100
INDENT = "    "


class Command(BaseCommand):
    """Needs no setting, no database and no other app: manage.py runs it before Django is set up."""

    help = "List all IDP_* settings with type, default and meaning."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        group = None
        for name, info in Environment.model_fields.items():
            extra = _extra(info)
            if extra["group"] != group:
                group = extra["group"]
                self.stdout.write(f"\n{group}\n")
            self.stdout.write(f"  {variable(name):<34}{extra['kind']:<28}{default(info)}")
            self.stdout.write(
                textwrap.fill(
                    info.description or "", WIDTH, initial_indent=INDENT, subsequent_indent=INDENT
                )
            )


def default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    shown = _extra(info)["shown_default"]
    if shown:
        return f"default {shown}"
    if value is None or value == ():
        return "default none"
    if isinstance(value, tuple):
        return f"default {','.join(map(str, value))}"
    return f"default {value.as_posix() if isinstance(value, Path) else value}"


def _extra(info: FieldInfo) -> dict[str, Any]:
    extra = info.json_schema_extra
    return extra if isinstance(extra, dict) else {}
