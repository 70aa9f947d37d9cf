"""`/healthz`: the process answers. `/readyz`: it can do its work: database, migrations, keys."""

from collections.abc import Callable

from django.apps import apps
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe


@csrf_exempt
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every check passes, 503 with the first that fails otherwise."""
    results: dict[str, str] = {}
    ready = True
    for name, check in CHECKS.items():
        results[name] = _result(check)
        if results[name] != "ok":
            ready = False
            break
    response = JsonResponse(
        {"status": "ok" if ready else "unavailable", "checks": results},
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
    active = apps.get_model("tokens", "SigningKey").objects.filter(state="active").count()
    return "ok" if active else "no active signing key"


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "signing_keys": _keys,
}
