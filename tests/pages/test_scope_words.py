"""What a scope is called in the languages of users: in files, in the admin and in the audit."""

import html
import io

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse

from clients_admin.configuration.export import export
from clients_admin.models import Scope
from clients_admin.roles import EDITORS, VIEWERS
from idp.audit.models import AuditEvent
from tests.test_admin import operator

pytestmark = pytest.mark.django_db
IN_DUTCH = {"nl": "Je bestellingen zien"}


@pytest.fixture
def orders() -> Scope:
    return Scope.objects.create(
        name="orders.read", description="See your orders", translations=IN_DUTCH
    )


def test_a_file_gives_them_and_an_export_says_them_again(tmp_path):
    file = tmp_path / "scopes.yaml"
    file.write_text("scopes: {plain: See it, orders.read: {en: See, fr: Voir, de: Sehen}}")
    quiet = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    call_command("config", "apply", str(file), **quiet)
    scope = Scope.objects.get(name="orders.read")
    assert (scope.description, scope.translations) == ("See", {"fr": "Voir", "de": "Sehen"})
    assert [scope.description_in(code) for code in ("fr", "nl", "en")] == ["Voir", "See", "See"]
    exported = export()
    assert "  plain: See it\n" in exported
    assert "  orders.read:\n    en: See\n    de: Sehen\n    fr: Voir\n" in exported
    file.write_text("scopes: {orders.read: {en: See, fr: Voyez}}")
    shown = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("config", "diff", str(file), stdout=shown, stderr=io.StringIO())
    assert '~ scope orders.read: translations.de: "Sehen" -> unset\n' in shown.getvalue()
    assert '~ scope orders.read: translations.fr: "Voir" -> "Voyez"\n' in shown.getvalue()


def test_an_editor_changes_them_and_the_audit_tells_which(orders):
    editor = operator("eddy", EDITORS)
    address = reverse("admin:clients_admin_scope_change", args=[orders.pk])
    page = html.unescape(editor.get(address).content.decode())
    assert 'value="Je bestellingen zien"' in page
    form = {"description": "See your orders", "in_nl": "", "in_de": "Ihre Bestellungen sehen"}
    assert editor.post(address, form).status_code == 302
    orders.refresh_from_db()
    assert orders.translations == {"de": "Ihre Bestellungen sehen"}
    assert AuditEvent.objects.get(tag="clients:scope:changed").details["changed"] == {
        "translations.de": [None, "Ihre Bestellungen sehen"],
        "translations.nl": ["Je bestellingen zien", None],
    }


def test_a_viewer_reads_them(orders):
    viewer = operator("vera", VIEWERS)
    page = viewer.get(reverse("admin:clients_admin_scope_change", args=[orders.pk]))
    assert "Nederlands: Je bestellingen zien" in page.content.decode()


@pytest.mark.parametrize(
    "translations",
    [["nl"], {"en": "See"}, {"nl": ""}, {"nl": "a\nb"}, {"nl": 7}, {"nl": "x" * 201}],
)
def test_others_are_refused(orders, translations):
    orders.translations = translations
    with pytest.raises(ValidationError, match="translations"):
        orders.full_clean()
