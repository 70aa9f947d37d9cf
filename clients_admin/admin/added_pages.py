"""Pages that the floors above add about one object: links beside its own page lead to them.

Whoever may see the object may open them; what they let somebody do, they ask for themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods

from clients_admin.admin.base import OperatorModelAdmin


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who may see `target` opens a page about it."""

    request: HttpRequest
    model_admin: "WithAddedPages"
    target: Any

    def require(self, permission: str) -> None:
        """Raises PermissionDenied for who lacks it."""
        if not self.may(permission):
            raise PermissionDenied

    def may(self, permission: str) -> bool:
        return bool(self.request.user.has_perm(permission))

    def to(self, slug: str) -> HttpResponse:
        """Sends whoever asks to another page about the same object."""
        return HttpResponseRedirect(self.model_admin.address_of(slug, self.target))

    def answer(self, template: str, context: dict[str, Any]) -> HttpResponse:
        """The page, with all that pages of the admin have."""
        everywhere = self.model_admin.admin_site.each_context(self.request)
        about = {
            "opts": self.model_admin.opts,
            "original": self.target,
            "subtitle": str(self.target),
            "added_links": self.model_admin.added_links(self.request, self.target),
        }
        return TemplateResponse(self.request, template, {**everywhere, **about, **context})


@dataclass(frozen=True, slots=True)
class AddedPage:
    """One page. Its slug ends its address and names it; without a title nothing leads to it."""

    slug: str
    title: str
    view: Callable[[Visit], HttpResponse]
    methods: tuple[str, ...] = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Link:
    title: str
    address: str
    is_here: bool


class WithAddedPages(OperatorModelAdmin):
    """The page of an object that others add pages to, each by `add`."""

    change_form_outer_before_template = "clients_admin/added_links.html"
    added_pages: tuple[AddedPage, ...] = ()

    @classmethod
    def add(cls, *pages: AddedPage) -> None:
        cls.added_pages = (*cls.added_pages, *pages)

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                f"<int:object_pk>/{page.slug}/",
                self.admin_site.admin_view(self._view(page)),
                name=self._name(page.slug),
            )
            for page in self.added_pages
        ] + super().get_urls()

    def added_links(self, request: HttpRequest, target: Model) -> list[Link]:
        """To the object's own page, and to those that were added."""
        places = [(str(self.opts.verbose_name).capitalize(), "change")]
        places += [(page.title, page.slug) for page in self.added_pages if page.title]
        links = [(title, self.address_of(slug, target)) for title, slug in places]
        return [Link(title, address, address == request.path) for title, address in links]

    def address_of(self, slug: str, target: Model) -> str:
        return reverse(f"admin:{self._name(slug)}", args=[target.pk])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        target = kwargs.get("obj")
        context["added_links"] = self.added_links(request, target) if target else []
        return super().render_change_form(request, context, *args, **kwargs)

    def _name(self, slug: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{slug}"

    def _view(self, page: AddedPage) -> Callable[..., HttpResponse]:
        @require_http_methods(list(page.methods))
        def view(request: HttpRequest, object_pk: int) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            target = get_object_or_404(self.get_queryset(request), pk=object_pk)
            return page.view(Visit(request, self, target))

        return view
