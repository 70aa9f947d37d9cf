"""Lists of links from one object's page to the pages of others."""

from collections.abc import Iterable

from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

SHOWN = 100


def links(objects: QuerySet) -> SafeString:
    """The first hundred as links, and how many more there are; “Nothing” where there is none."""
    found = list(objects[: SHOWN + 1])
    if not found:
        return SafeString("Nothing")
    listed = format_html_join(
        "",
        '<li><a class="text-link" href="{}">{}</a></li>',
        ((_address(found_object), found_object) for found_object in found[:SHOWN]),
    )
    more = format_html("<li>and {} more</li>", objects.count() - SHOWN) if found[SHOWN:] else ""
    return format_html('<ul class="operators-list">{}{}</ul>', listed, more)


def lines(texts: Iterable[object]) -> SafeString:
    """Texts one below the other; a dash where there is none."""
    listed = format_html_join("", "<li>{}</li>", ((text,) for text in texts))
    return format_html('<ul class="operators-list">{}</ul>', listed) if listed else SafeString("-")


def _address(target: Model) -> str:
    opts = target._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[target.pk])
