"""The pages of scopes and scope groups."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import UnfoldAdminTextInputWidget

from branding.languages import LANGUAGES, OTHER_LANGUAGES
from clients_admin import effects, undo
from clients_admin.admin.links import links
from clients_admin.admin.proposing import ProposingAdmin
from clients_admin.configuration import stored
from clients_admin.configuration.removal import is_used
from clients_admin.effects import Holdings
from clients_admin.models import (
    MAX_DESCRIPTION,
    Client,
    Scope,
    ScopeGroup,
    scope_group_members,
)
from clients_admin.scopes import find_cycle, groups_above

USED_BY = ("Used by", {"fields": ["in_groups", "by_clients"]})


class ScopeUseAdmin(ProposingAdmin):
    """What scopes and groups share: who uses them, and that only an unused one can be deleted."""

    list_display = ("name", "description")
    search_fields = ("name", "description")
    ordering = ("name",)
    fixed_fields = ("name",)
    readonly_fields = ("in_groups", "by_clients")
    can_undo = True

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj else [part for part in fieldsets if part is not USED_BY]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or not is_used(obj)

    @admin.display(description="groups that hold it")
    def in_groups(self, scope: Any) -> SafeString:
        return links(self._groups(scope))

    @admin.display(description="clients that have it, directly or through a group")
    def by_clients(self, scope: Any) -> SafeString:
        above = groups_above(scope.name, scope_group_members())
        has_it = Q(pk__in=scope.clients.values("pk")) | Q(
            pk__in=Client.objects.filter(scope_groups__name__in=above).values("pk")
        )
        return links(Client.objects.filter(has_it))

    def _groups(self, scope: Any) -> QuerySet[ScopeGroup]:
        raise NotImplementedError


class ScopeForm(forms.ModelForm):
    """A field for each other language in place of the table of all."""

    in_nl, in_de, in_fr = (
        forms.CharField(
            label=dict(LANGUAGES)[code],
            required=False,
            max_length=MAX_DESCRIPTION,
            widget=UnfoldAdminTextInputWidget(attrs={"lang": code}),
        )
        for code in ("nl", "de", "fr")
    )

    class Meta:
        model = Scope
        fields = ("name", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code in OTHER_LANGUAGES:
            self.initial.setdefault(f"in_{code}", self.instance.translations.get(code, ""))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self.instance.translations = {
            code: text for code in OTHER_LANGUAGES if (text := cleaned.get(f"in_{code}"))
        }
        return cleaned


class ScopeAdmin(ScopeUseAdmin):
    form = ScopeForm
    shown_as = {"in_nl": "other_languages", "in_de": "", "in_fr": ""}
    fieldsets = (
        (None, {"fields": ["name", "description"]}),
        ("In other languages", {"fields": ["in_nl", "in_de", "in_fr"]}),
        USED_BY,
    )

    @admin.display(description="other languages")
    def other_languages(self, scope: Scope) -> SafeString | str:
        names = dict(LANGUAGES)
        said = [(names[code], text) for code, text in stored.scope(scope)["translations"].items()]
        return format_html_join(mark_safe("<br>"), "{}: {}", said) or "-"

    def _groups(self, scope: Scope) -> QuerySet[ScopeGroup]:
        return scope.groups.all()


class ScopeGroupForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        name = self.instance.name or cleaned.get("name")
        if name and "groups" in cleaned:
            self._refuse_cycle(name, [group.name for group in cleaned["groups"]])
        return cleaned

    def _refuse_cycle(self, name: str, groups: list[str]) -> None:
        ScopeGroup.hold_all()
        if cycle := find_cycle({**scope_group_members(), name: groups}):
            path = " → ".join(cycle)
            self.add_error("groups", f"A group must not contain itself: {path}.")


class ScopeGroupAdmin(ScopeUseAdmin):
    form = ScopeGroupForm
    fieldsets = (
        (None, {"fields": ["name", "description"]}),
        ("Members", {"fields": ["scopes", "groups"]}),
        USED_BY,
    )
    autocomplete_fields = ("scopes", "groups")

    def hold(self, row: Model) -> None:
        undo.hold(row)

    def holdings(self, row: ScopeGroup) -> Holdings:
        return effects.of_scope_group(row)

    def _groups(self, scope: ScopeGroup) -> QuerySet[ScopeGroup]:
        return scope.contained_in.all()
