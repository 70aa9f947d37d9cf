"""The IDP_* variables that tests and static checks run with; deterministic, and never secret.

`python -m tests.environment ARGUMENTS` runs Python with them, for checks that load the settings.
"""

import base64
import os
import subprocess
import sys

PUBLIC_URL = "http://127.0.0.1:8000"
SECRET_KEY = "only-for-tests-" + "s" * 32
TOKEN_KEY = base64.urlsafe_b64encode(b"t" * 32).decode().rstrip("=")

# Names a server that nobody runs: a check that wants a database must not find one by chance.
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"


def variables(database_url: str, broker_url: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "idp.settings",
        "IDP_ENVIRONMENT": "development",
        "IDP_PUBLIC_URL": PUBLIC_URL,
        "IDP_DATABASE_URL": database_url,
        "IDP_BROKER_URL": broker_url,
        "IDP_SECRET_KEYS": SECRET_KEY,
        "IDP_TOKEN_KEYS": f"1:{TOKEN_KEY}",
        # All tests come from one address, and some fail on purpose; those of blocking switch it on.
        "IDP_BLOCKING": "off",
    }


def main() -> int:
    environment = os.environ | variables(NO_DATABASE, "redis://127.0.0.1:1/0")
    environment["IDP_LOG_LEVEL"] = "error"  # that there is no database is no news here
    command = [sys.executable, *sys.argv[1:]]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
