"""What all pages of the operators' UI have in common."""

from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model
from django.forms import Field as FormField
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from clients_admin.admin.history import history_page
from clients_admin.admin.saving import GuardedSaving
from clients_admin.admin.undoing import undo_view
from idp.audit import changes


class OperatorModelAdmin(GuardedSaving):
    """A page whose names are fixed once given, and that shows viewers readable values.

    `fixed_fields` can be set only when the object is made. `shown_as` names, for fields that
    would be raw data to somebody who may only look, the method that shows them instead; nothing
    is shown for those that it names "". Whatever is saved or deleted is audited, as a diff, which
    is the history of the row; with `can_undo`, a change of it can be set back.
    """

    view_on_site = False
    list_per_page = 50
    show_facets = ShowFacets.NEVER  # Each count beside a filter would be a scan.
    warn_unsaved_form = True
    change_form_before_template = "clients_admin/opened.html"
    fixed_fields: tuple[str, ...] = ()
    shown_as: dict[str, str] = {}
    can_undo = False
    history_tab = ""  # Of a page that shows its history in a tab.

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(undo_view(self))
        name = f"{self.opts.app_label}_{self.opts.model_name}_undo"
        undo = path("<int:row_pk>/undo/<int:event_pk>/", view, name=name)
        return [*([undo] if self.can_undo else []), *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """From the audit, in place of the log that Django's admin keeps."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        return history_page(request, self, row)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Nothing: the audit says it, with who, from where and what."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Nothing, as above."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """Nothing, as above."""

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        fixed = self.fixed_fields if obj else ()
        return [
            *super().get_readonly_fields(request, obj),
            *fixed,
            *filter(None, self.shown_as.values()),
        ]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        return [
            (
                name,
                {
                    **options,
                    "fields": [
                        shown for f in options["fields"] if (shown := self.shown_as.get(f, f))
                    ],
                },
            )
            for name, options in fieldsets
        ]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        # What is stored now, for `save_related`, which Django calls last, in one transaction.
        form.state_before = changes.state_of(obj) if change else changes.NOTHING
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        changes.record_change(form.instance, form.state_before)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        changes.record_deletion(obj)
        super().delete_model(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Nothing: a link must not fill in a form that an editor then saves."""
        return {}

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """How many of what goes with it; not row by row, which for a client are hundreds."""
        to_delete, counts, perms_needed, protected = super().get_deleted_objects(objs, request)
        return to_delete[:1], counts, perms_needed, protected

    def formfield_for_dbfield(
        self, db_field: Field, request: HttpRequest, **kwargs: Any
    ) -> FormField | None:
        """Without the buttons that edit a related object in a frame: our policy has no frames."""
        form_field = super().formfield_for_dbfield(db_field, request, **kwargs)
        without_buttons(form_field)
        if isinstance(form_field, ModelMultipleChoiceField):
            # Without select2's button that clears all, which it puts into a list as no item.
            widget: Any = form_field.widget
            getattr(widget, "widget", widget).is_required = True
        return form_field


def without_buttons(form_field: FormField | None) -> None:
    """Leaves only the choice itself of a field that names another object."""
    widget = getattr(form_field, "widget", None)
    if isinstance(widget, RelatedFieldWidgetWrapper):
        widget.can_add_related = widget.can_change_related = False
        widget.can_delete_related = widget.can_view_related = False
