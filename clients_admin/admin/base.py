"""What all pages of the operators' UI have in common."""

from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import Field, Model
from django.forms import Field as FormField
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from idp.audit import changes


class OperatorModelAdmin(ModelAdmin):
    """A page whose names are fixed once given, and that shows viewers readable values.

    `fixed_fields` can be set only when the object is made. `shown_as` names, for fields that
    would be raw data to somebody who may only look, the method that shows them instead; nothing
    is shown for those that it names "". Whatever is saved or deleted is audited, as a diff.
    """

    view_on_site = False
    list_per_page = 50
    show_facets = ShowFacets.NEVER  # Each count beside a filter would be a scan.
    warn_unsaved_form = True
    fixed_fields: tuple[str, ...] = ()
    shown_as: dict[str, str] = {}

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
