"""Templates of single brands, in a folder with their short name, in place of ours.

    IDP_BRAND_TEMPLATES/acme/base.html           the frame of all of Acme's pages
    branding/templates/brands/acme/sign_in.html  one page of it, in a copy of this product

Each may extend or include `branding/…` as ours do, its own namesake too: `{% extends
"branding/base.html" %}` in acme/base.html is the frame of everybody. A brand's folder is seen by
its own pages and no others, and replaces nothing but what is below `branding/`.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.http import HttpRequest
from django.template import Origin, TemplateDoesNotExist, TemplateSyntaxError
from django.template.backends.django import DjangoTemplates
from django.template.loader import render_to_string
from django.template.loaders.filesystem import Loader as FilesystemLoader

PREFIX = "branding/"
TEMPLATES = Path(__file__).parent / "templates"
OURS = TEMPLATES / "branding"


class Loader(FilesystemLoader):
    """Finds `branding/x.html` as `x.html` in the folders of one brand."""

    def get_template_sources(self, template_name: str) -> Iterator[Origin]:
        if not template_name.startswith(PREFIX):
            return
        for origin in super().get_template_sources(template_name.removeprefix(PREFIX)):
            # By the name asked for, by which a template that extends its namesake is known.
            yield Origin(origin.name, template_name, loader=self)


def render(
    slug: str, template: str, context: dict[str, Any], request: HttpRequest | None = None
) -> str:
    """The template as the brand has it; "" is no brand."""
    if slug not in folders():
        return render_to_string(template, context, request)
    return str(_engine(slug).get_template(template).render(context, request))


@cache
def folders() -> dict[str, list[Path]]:
    """The folders of each brand that has some; read once."""
    found: dict[str, list[Path]] = {}
    for root in filter(None, (settings.BRAND_TEMPLATES, TEMPLATES / "brands")):
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.is_dir():
                found.setdefault(folder.name, []).append(folder)
    return found


@cache
def _engine(slug: str) -> DjangoTemplates:
    """One for each brand: what one overrides, no other one finds."""
    options: dict[str, Any] = settings.TEMPLATES[0]["OPTIONS"]  # type: ignore[assignment]
    loaders: list[Any] = [
        (f"{__name__}.Loader", folders()[slug]),
        "django.template.loaders.app_directories.Loader",
    ]
    return DjangoTemplates({
        "NAME": f"brand {slug}",
        "DIRS": [],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": options["context_processors"],
            "loaders": [("django.template.loaders.cached.Loader", loaders)],
        },
    })  # fmt: skip


def forget() -> None:
    """The folders are read anew."""
    folders.cache_clear()
    _engine.cache_clear()


def refuse_broken() -> None:
    """Ends a process that begins to serve with templates that fail: when a customer opens the page
    would be too late."""
    if problems := [error.msg for error in check()]:
        raise SystemExit("\n".join(problems))


@register
def check(**_: Any) -> Iterable[CheckMessage]:
    """The folder is there, and each file in it is the namesake of one of ours and can be read."""
    root: Path | None = settings.BRAND_TEMPLATES
    if root and not root.is_dir():
        yield Error(f"IDP_BRAND_TEMPLATES: there is no folder {root}.", id="branding.E001")
    for slug, places in folders().items():
        for place in places:
            for file in sorted(place.rglob("*")):
                if file.is_file() and (problem := _problem(slug, file.relative_to(place))):
                    yield Error(f"{file} {problem}", id="branding.E002")


def _problem(slug: str, name: Path) -> str:
    if not (OURS / name).is_file():
        return "replaces nothing: there is no such template in branding/templates/branding."
    try:
        _engine(slug).get_template(f"{PREFIX}{name.as_posix()}")
    except (TemplateSyntaxError, TemplateDoesNotExist, UnicodeDecodeError) as error:
        return f"is no template: {type(error).__name__}: {error}"
    return ""
