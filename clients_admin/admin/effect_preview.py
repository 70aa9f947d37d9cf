"""Who gains and who loses, on a page between the form and the saving."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse

from clients_admin.effects import Effects
from clients_admin.models import Client

# What the page sends beside the form: the digest of the effects that it has shown.
CONFIRMED = "confirmed_effects"
SHOWN = 100
_NOT_CARRIED = {"csrfmiddlewaretoken", CONFIRMED}


def preview(
    request: HttpRequest, page: ModelAdmin, row: Model, effects: Effects
) -> TemplateResponse:
    """The effects, and the same form once more, to be saved by a second button."""
    context = {
        **page.admin_site.each_context(request),
        **effects_context(effects),
        "opts": page.opts,
        "title": "Who gains, who loses",
        "subtitle": str(row),
        "original": row,
        "carried": [
            (name, value)
            for name, values in request.POST.lists()
            for value in values
            if name not in _NOT_CARRIED
        ],
    }
    return TemplateResponse(request, "clients_admin/effects_page.html", context)


def effects_context(effects: Effects) -> dict[str, Any]:
    """The first hundred clients with their names, and how many there are."""
    shown = effects.clients[:SHOWN]
    clients = Client.objects.in_bulk([e.client_id for e in shown], field_name="client_id")
    return {
        "effects": effects,
        "effect_rows": [(effect, clients.get(effect.client_id)) for effect in shown],
        "effects_left_out": len(effects.clients) - len(shown),
        "confirmed": CONFIRMED,
    }
