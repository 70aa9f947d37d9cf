"""`/healthz`: the process answers. `/readyz`: it can do its work: database, migrations, keys."""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

DEGRADED = "degraded: "


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every check passes, 503 with the first that fails otherwise.

    What is degraded is said, and counts as ready: taking an instance away would not mend it.
    """
    results: dict[str, str] = {}
    status = "ok"
    for name, check in CHECKS.items():
        results[name] = _result(check)
        if results[name].startswith(DEGRADED):
            status = "degraded"
        elif results[name] != "ok":
            status = "unavailable"
            break
    ready = status != "unavailable"
    response = JsonResponse(
        {"status": status, "checks": results},
        status=200 if ready else 503,
        headers={"Cache-Control": "no-store"},
    )
    if not ready:
        response.headers["Retry-After"] = "5"
    return response


def _result(check: Callable[[], str]) -> str:
    try:
        return check()
    except DatabaseError as error:
        return f"failed: {type(error).__name__}"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


_migrations_are_applied = False


def _migrations() -> str:
    """Once applied they stay applied while this process lives, so they are looked at once."""
    global _migrations_are_applied  # noqa: PLW0603 - remembered for the life of the process
    if not _migrations_are_applied:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            return f"pending: {len(pending)}"
        _migrations_are_applied = True
    return "ok"


def _keys() -> str:
    """A key that cannot be opened takes its own algorithm away, and nothing else."""
    # A floor above knows them; nobody imports this module from there.
    from tokens.keys import ring

    keys = ring.current()
    if not keys.signers:
        return " ".join(keys.locked.values()) or "no active signing key"
    return DEGRADED + " ".join(keys.locked.values()) if keys.locked else "ok"


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "signing_keys": _keys,
}
