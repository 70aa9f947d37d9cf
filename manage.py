#!/usr/bin/env python3
"""Django's command line for this project; a bad setting is one line, not a traceback."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")
    if sys.argv[1:2] == ["settings_help"]:
        # It tells which settings are needed, so it must not need them.
        from django.conf import settings

        from idp.management.commands.settings_help import Command

        settings.configure()
        Command().run_from_argv(sys.argv)
        return

    from django.core.management import execute_from_command_line

    from idp.environment import environment_or_exit

    environment_or_exit()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
