"""Objects of the configuration: clients, scopes and scope groups are read and changed alike.

A body has the names and shapes of an entry of a configuration file, and is applied by the code that
applies files: nothing is valid here that is not valid there.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet
from django.http import Http404
from rest_framework import status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from clients_admin.configuration import stored
from clients_admin.configuration.apply import apply_object
from clients_admin.configuration.document import Entry, Problems, of_json, problem_with_text
from clients_admin.configuration.removal import StillUsedError, remove
from clients_admin.models import ScopeGroup
from clients_admin.proposals.needed import ApprovalNeeded, refuse_unapproved
from idp.audit.context import acting
from tokens.api import pages, preconditions, reading
from tokens.api.endpoint import Endpoint
from tokens.api.merge_patch import merged
from tokens.api.pages import Paged
from tokens.api.refusals import Conflict
from tokens.api.rights import READ, WRITE, Caller, Right


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object: the section of a file that it stands in, its address, and its rows."""

    section: str
    path: str
    key: str
    model: type[Model]
    rows: Callable[[], QuerySet[Any]]
    describe: Callable[[Any], dict[str, Any]]
    elsewhere: tuple[tuple[str, str], ...] = ()

    def may(self, verb: str) -> Right:
        """What it takes to view, add, change or delete such an object."""
        meta = self.model._meta
        permission = f"{meta.app_label}.{verb}_{meta.model_name}"
        return Right(READ if verb == "view" else WRITE, permission)

    def find(self, name: str) -> Any:
        """The row of this name, with all that `describe` reads; None where there is none."""
        if problem_with_text(name):
            return None
        return self.rows().filter(**{self.key: name}).first()

    def hold(self, name: str) -> Any:
        """The same for somebody who changes it: nobody else does until the transaction ends."""
        if problem_with_text(name):
            return None
        if self.model is ScopeGroup:
            # Not one first and then all: whoever holds all would wait, and be waited for.
            ScopeGroup.hold_all()
        self.model._base_manager.select_for_update(no_key=True).filter(**{self.key: name}).first()
        return self.find(name)

    def answer(self, row: Any, **options: Any) -> Response:
        """The whole object with its tag."""
        shown = self.describe(row)
        return Response(shown, headers={"ETag": preconditions.tag_of(row, shown)}, **options)

    def created(self, row: Any) -> Response:
        """RFC 9110 section 15.3.2: with the address of what was made."""
        answer = self.answer(row, status=status.HTTP_201_CREATED)
        name = quote(getattr(row, self.key), safe="")
        answer.headers["Location"] = f"{settings.PUBLIC_URL}{self.path}/{name}"
        return answer

    def put(self, body: Any, before: dict[str, Any] | None) -> Any:
        """Makes the object as the body says, which was `before`. Raises ConfigurationError or
        ApprovalNeeded, and then the transaction must end."""
        for name, where in self.elsewhere:
            if isinstance(body, dict) and name in body:
                _refuse(name, where)
        apply_object(self.section, body)
        row = self.find(body[self.key])
        refuse_unapproved(self.model, before, self.describe(row))
        return row


@contextmanager
def changing(caller: Caller) -> Iterator[None]:
    """A transaction in which the caller changes the configuration, and no file or other call does.

    Raises Conflict where the admin was quicker, and where a brand asks for approvals.
    """
    try:
        with acting(caller.name), transaction.atomic():
            stored.wait_for_other_runs()
            yield
    except IntegrityError:
        raise Conflict from None
    except ApprovalNeeded as needed:
        raise Conflict(str(needed)) from None


class ObjectList(Endpoint):
    kind: ClassVar[Kind]
    filters: ClassVar[type[Paged]] = Paged

    def narrow(self, rows: QuerySet[Any], asked: dict[str, Any]) -> QuerySet[Any]:
        """The rows that the filters mean."""
        return rows

    def get(self, request: Request) -> Response:
        kind, asked = self.kind, reading.query(request, self.filters)
        rows = self.narrow(kind.rows(), asked)
        found, following = pages.by_key(kind.path, rows, kind.key, asked)
        body: dict[str, Any] = {"results": [kind.describe(row) for row in found], "next": None}
        if following:
            body["next"] = pages.next_page(kind.path, request.query_params.dict(), following)
        return Response(body)

    def post(self, request: Request) -> Response:
        body = _body(request)
        with changing(self.caller):
            name = body.get(self.kind.key) if isinstance(body, dict) else None
            if isinstance(name, str) and self.kind.find(name):
                raise Conflict("It is there already.")
            return self.kind.created(self.kind.put(body, None))


class OneObject(Endpoint):
    kind: ClassVar[Kind]

    @property
    def name(self) -> str:
        """What the URL calls the object."""
        return str(self.kwargs[self.kind.key])

    def get_parsers(self) -> list[BaseParser]:
        # The generator of the document asks without a request.
        is_patch = getattr(self.request, "method", "") == "PATCH"
        return [reading.StrictMergePatch() if is_patch else reading.StrictJSON()]

    def get(self, request: Request, **_: str) -> Response:
        reading.query(request, reading.Strict)
        row = self.kind.find(self.name)
        if row is None:
            raise Http404
        answer = self.kind.answer(row)
        if preconditions.is_known(request.headers, answer.headers["ETag"]):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers=dict(answer.headers))
        return answer

    def put(self, request: Request, **_: str) -> Response:
        preconditions.demand(request.headers, may_create=True)
        body = _body(request)
        with changing(self.caller):
            row = self._seen(request)
            if row is None:
                self.caller.require(self.kind.may("add"))
            before = None if row is None else self.kind.describe(row)
            made = self.kind.put(self._named(body), before)
            return self.kind.created(made) if row is None else self.kind.answer(made)

    def patch(self, request: Request, **_: str) -> Response:
        preconditions.demand(request.headers)
        patch = _body(request)
        with changing(self.caller):
            row = self._seen(request, must_exist=True)
            shown = self.kind.describe(row)
            wanted = merged(shown, patch)
            if isinstance(patch, dict):
                # What is unknown is refused, also where it is to be nothing.
                wanted |= {key: patch[key] for key in patch.keys() - shown.keys()}
            return self.kind.answer(self.kind.put(self._named(wanted), shown))

    def delete(self, request: Request, **_: str) -> Response:
        preconditions.demand(request.headers)
        reading.body(request, reading.Strict)
        with changing(self.caller):
            row = self._seen(request, must_exist=True)
            refuse_unapproved(self.kind.model, self.kind.describe(row), None)
            try:
                remove(row)
            except StillUsedError:
                raise Conflict("It is used: take it from clients and groups first.") from None
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _seen(self, request: Request, *, must_exist: bool = False) -> Any:
        """The row as the caller has seen it, held; None where they have seen that there is none."""
        row = self.kind.hold(self.name)
        if row is None and must_exist:
            raise Http404
        tag = None if row is None else preconditions.tag_of(row, self.kind.describe(row))
        preconditions.check(request.headers, tag)
        return row

    def _named(self, body: Any) -> Any:
        """The body with the name of the URL; it may say it again."""
        if not isinstance(body, dict):
            return body
        if body.get(self.kind.key, self.name) != self.name:
            _refuse(self.kind.key, "is not the one in the URL; nothing is renamed")
        return {**body, self.kind.key: self.name}


def _body(request: Request) -> Any:
    """The JSON of a body, which has been looked through. Raises ConfigurationError."""
    reading.query(request, reading.Strict)
    problems = Problems()
    of_json(request.data, problems)
    problems.raise_any()
    return request.data


def _refuse(key: str, text: str) -> NoReturn:
    problems = Problems()
    problems.add(Entry(0, (key,), None), text)
    problems.raise_any()
    raise AssertionError("a problem was added")
