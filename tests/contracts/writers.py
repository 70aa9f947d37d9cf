"""Finds the places in the code that write to the database, by reading it.

A place is a function, `idp/accounts/login.py:_admit`. What counts as writing is generous: whatever
looks like a write of Django's ORM, a statement of SQL, or a session of Django's is one, and has to
be explained by the contract.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("idp", "branding", "clients_admin", "tokens")

ORM = frozenset(
    {
        *("save", "create", "bulk_create", "get_or_create", "update_or_create"),
        *("delete", "bulk_update", "insert", "flush", "raw_delete"),
        *("save_model", "save_related", "delete_model", "delete_queryset", "save_m2m"),
    }
)
# These are names of lists and sets, too: they count where a relation stands before them.
OF_RELATIONS = frozenset({"add", "remove", "set", "clear"})
RELATIONS = frozenset(
    {
        *("groups", "permissions", "user_permissions", "scopes", "scope_groups"),
        *("login_services", "clientloginservice_set", "secrets", "accounts", "users", "clients"),
    }
)
SESSIONS = frozenset({"login", "logout"})
SQL = re.compile(
    r"\b(INSERT\s+INTO|UPDATE\s+(?!OF\b)\S+\s+(\w+\s+)?SET|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE"
    r"|COPY\s+\S+\s+FROM)\b"
)


def writers() -> set[str]:
    """All of them, migrations aside: those change no row while the product runs."""
    found: set[str] = set()
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in file.parts:
                found |= writers_in(file.read_text(), str(file.relative_to(ROOT)))
    return found


def writers_in(source: str, path: str) -> set[str]:
    tree = ast.parse(source)
    from_auth = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "django.contrib.auth"
        for alias in node.names
        if alias.name in SESSIONS
    }
    return {
        f"{path}:{name}" for name, node in _nodes(tree, "") if _is_write(node, from_auth)
    }  # fmt: skip


def _nodes(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """Each node with the function that it stands in; docstrings are no statements."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _nodes(child, f"{name}.{child.name}" if name else child.name)
        else:
            yield name or "the module", child
            yield from _nodes(child, name)


def _is_write(node: ast.AST, from_auth: set[str]) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=called)):
            return called in from_auth
        case ast.Call(func=ast.Attribute() as called):
            return _is_writing_method(called, node)
        case ast.Subscript(value=ast.Attribute(attr="session"), ctx=ast.Store() | ast.Del()):
            return True
        case ast.Constant(value=str(text)):
            return SQL.search(text) is not None
        case ast.JoinedStr(values=parts):
            text = "".join(p.value if isinstance(p, ast.Constant) else "x" for p in parts)
            return SQL.search(text) is not None
    return False


def _is_writing_method(called: ast.Attribute, call: ast.Call) -> bool:
    if called.attr == "update":
        # A dict is given another one; a queryset and our own rows are given columns.
        return bool(call.keywords) or not call.args
    if called.attr in OF_RELATIONS:
        return isinstance(called.value, ast.Attribute) and called.value.attr in RELATIONS
    return called.attr in ORM
