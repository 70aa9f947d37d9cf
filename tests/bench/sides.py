"""The two sides of a comparison: this product and the stock toolkit.

Each is a database of the same server and a Django of its own. Functions run in a fresh process of
their side, because one process can load one settings module only.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from idp.environment import PROJECT
from idp.ops.embedded import EmbeddedPostgres
from tests.environment import variables

# No bench sends a task, so nobody has to answer here.
NO_BROKER = "redis://127.0.0.1:1/0"


@dataclass(frozen=True, slots=True)
class Side:
    """Where functions of this side run: the environment of their process.

    `name` is that of its database.
    """

    name: str
    environment: dict[str, str]
    database_url: str

    def run(self, function: Callable[..., Any], **arguments: Any) -> Any:
        """Calls a function of a module in a process of this side; answers what it answers.

        Arguments and answer travel as JSON. The process ends with the call.
        """
        name = f"{function.__module__}:{function.__qualname__}"
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.child", name],
            cwd=PROJECT,
            env=self.environment,
            input=json.dumps(arguments),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True, slots=True)
class Sides:
    """What a bench is given: both sides, how many rows to measure with, and whose databases."""

    ours: Side
    stock: Side
    rows: int
    server: EmbeddedPostgres


def ours(server: EmbeddedPostgres, name: str = "ours") -> Side:
    """This product as it is by default, with the keys that tests use."""
    database_url = server.ensure_database(name)
    own = variables(database_url, NO_BROKER) | {
        "IDP_VAR_DIR": str(server.directory.parent),
        "IDP_LOG_LEVEL": "warning",
    }
    # Tests switch off the guard of addresses and users; here its cost is part of a request's.
    own.pop("IDP_BLOCKING", None)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    return Side(name, inherited | own, database_url)


def stock(server: EmbeddedPostgres, name: str = "stock") -> Side:
    """The toolkit as it comes, see `stock_settings`."""
    database_url = server.ensure_database(name)
    own = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.stock_settings",
        "STOCK_DATABASE_URL": database_url,
        "STOCK_RSA_KEY": _rsa_key(),
    }
    return Side(name, os.environ | own, database_url)


@cache
def _rsa_key() -> str:
    """What the toolkit signs ID tokens with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
