"""Setting back one change of a client, scope or scope group, as the audit tells it.

Only what is told in full can be set back: nothing that is hidden, and nothing that was shortened.
Nor is anything set back that was changed again since. What comes of it is checked as every other
change is, and compared with what was meant before it is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import transaction
from django.db.models import Field, ForeignKey, JSONField, ManyToManyField, Model

from clients_admin.models import Client, Scope, ScopeGroup, scope_group_members
from clients_admin.proposals.needed import ApprovalNeeded, refuse_unapproved
from clients_admin.proposals.targets import BY_MODEL
from clients_admin.scopes import find_cycle
from idp.audit import changes
from idp.audit.changes import State
from idp.audit.details import CUT, clean
from idp.audit.models import AuditEvent

UNDONE = "undo_of"
_MODELS = (Client, Scope, ScopeGroup)


class CannotUndo(Exception):
    """Why a change cannot be set back, in sentences for an operator."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Setting:
    """One path that is set back: what it is now, and what it was."""

    path: str
    now: Any
    back: Any


def may_be_undone(row: Model, event: AuditEvent) -> bool:
    """Whether an event is a change that could be set back, by what it says alone."""
    changed = event.details.get("changed")
    return (
        isinstance(row, _MODELS)
        and event.tag == changes.TAGS[row._meta.label]
        and event.details.get("row") == changes.key_of(row)
        and event.details.get("what") == "changed"
        and isinstance(changed, dict)
        and not event.details.get("hidden")
    )


def undo(row: Model, event: AuditEvent, *, actor: str | None = None) -> list[Setting]:
    """Sets back what the event of a row tells, and records it as a change of its own.

    Answers what was set back. Raises CannotUndo, and then nothing is changed.
    """
    with transaction.atomic():
        hold(row)
        before = changes.state_of(row)
        target = BY_MODEL[type(row)]
        name = getattr(row, target.key)
        entry = target.now(name)
        settings = _settings(row, event, before)
        fresh = type(row)._base_manager.get(pk=row.pk)
        _set_back(fresh, settings)
        _compare(fresh, before, settings)
        try:
            refuse_unapproved(type(row), entry, target.now(name))
        except ApprovalNeeded as needed:
            raise CannotUndo(str(needed)) from None
        changes.record_change(fresh, before, actor=actor, **{UNDONE: str(event.pk)})
    return settings


def hold(row: Model) -> None:
    """Keeps others from changing the row until the end of the transaction. Groups are held all
    together: what would be a cycle depends on each of them."""
    if isinstance(row, ScopeGroup):
        ScopeGroup.hold_all()
    changes.state_of(row)


# --- What is to be set back -----------------------------------------------------------------------


def _settings(row: Model, event: AuditEvent, now: State) -> list[Setting]:
    if event.details.get("hidden"):
        raise CannotUndo(
            "The audit does not hold all that this change was about:"
            f" {_listed(event.details['hidden'])} is not written down."
        )
    if not may_be_undone(row, event):
        raise CannotUndo("This is not a change that can be set back.")
    settings, moved = [], []
    for path, pair in sorted(event.details["changed"].items()):
        if not (isinstance(pair, list) and len(pair) == len(("old", "new"))) or _is_cut(path, pair):
            raise CannotUndo(f"The audit does not hold all of {path}: it is too long.")
        old, new = pair
        current = now.shown.get(path)
        if clean({"value": current})["value"] != new:
            moved.append(path)
        settings.append(Setting(path, current, old))
    if moved:
        raise CannotUndo(f"This was changed again since: {_listed(moved)}.")
    if not settings:
        raise CannotUndo("This is not a change that can be set back.")
    return settings


def _is_cut(path: str, pair: list[Any]) -> bool:
    """Whether a text may have been shortened, or a secret taken out of it."""
    return CUT in path or CUT in str(pair)


def _listed(paths: Any) -> str:
    return ", ".join(map(str, paths)) if isinstance(paths, list) else str(paths)


# --- Setting it back ------------------------------------------------------------------------------


def _set_back(row: Model, settings: list[Setting]) -> None:
    related: list[tuple[ManyToManyField, list[Model]]] = []
    for setting in settings:
        root, _, rest = setting.path.partition(".")
        match _field(row, root):
            case ManyToManyField() as many:
                related.append((many, _named(many, setting.back or [])))
            case ForeignKey() as foreign:
                back = setting.back
                setattr(row, root, _one_named(foreign, back) if back is not None else None)
            case JSONField() as table if rest:
                setattr(row, root, _with_entry(table, getattr(row, root), rest, setting.back))
            case field:
                setattr(row, root, _empty(field) if setting.back is None else setting.back)
    try:
        row.full_clean()
    except ValidationError as error:
        raise CannotUndo(*error.messages) from None
    row.save()
    for many, members in related:
        _relate(row, many, members)
    if isinstance(row, ScopeGroup) and (cycle := find_cycle(scope_group_members())):
        raise CannotUndo(f"A group must not contain itself: {' → '.join(cycle)}.")


def _field(row: Model, name: str) -> Any:
    try:
        return row._meta.get_field(name)
    except FieldDoesNotExist:
        raise CannotUndo(f"There is no {name} any more.") from None


def _named(field: Any, names: list[Any]) -> list[Any]:
    """The rows of those names, in that order."""
    found = {str(row): row for row in field.related_model._base_manager.filter(name__in=names)}
    if missing := [str(name) for name in names if name not in found]:
        raise CannotUndo(f"There is no {_listed(missing)} any more.")
    return [found[name] for name in names]


def _one_named(field: Any, name: Any) -> Any:
    found = [row for row in field.related_model._base_manager.all() if str(row) == name]
    if len(found) != 1:
        raise CannotUndo(f"There is no {field.verbose_name} {name} any more, or more than one.")
    return found[0]


def _with_entry(field: Any, table: Any, name: str, value: Any) -> Any:
    """The table with one entry set back; what is empty then is as if it had never been."""
    entries = dict(table) if isinstance(table, Mapping) else {}
    entries.pop(name, None)
    if value is not None:
        entries[name] = value
    return entries or field.get_default()


def _empty(field: Field) -> Any:
    if field.null:
        return None
    return "" if field.empty_strings_allowed and not field.has_default() else field.get_default()


def _relate(row: Any, many: ManyToManyField, members: list[Any]) -> None:
    if many.name != "login_services":
        getattr(row, many.name).set(members)
        return
    row.clientloginservice_set.all().delete()
    for position, service in enumerate(members):
        row.clientloginservice_set.create(login_service=service, position=position)


def _compare(row: Model, before: State, settings: list[Setting]) -> None:
    """What is stored now must be what was meant, and nothing else: paths are written for readers,
    and might be read in two ways."""
    meant = {**before.shown, **{setting.path: setting.back for setting in settings}}
    after = changes.state_of(row)
    if (after.shown, after.hidden) != (
        {path: value for path, value in meant.items() if value is not None},
        before.hidden,
    ):
        raise CannotUndo("The audit does not say clearly enough what this was before.")
