"""Which brand a page has where no client says it: that of a registered host, and of no other."""

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.test import Client as Browser

from branding import hosts
from branding.models import Brand

pytestmark = pytest.mark.django_db
HOST = "login.acme.example"
PAGE = "/oauth2/device"


@pytest.fixture
def acme(settings):
    settings.ALLOWED_HOSTS = [HOST, "other.example", "testserver"]
    settings.BRAND_HOSTS = frozenset({HOST, "other.example"})
    yield Brand.objects.create(slug="acme", name="Acme & Co", hosts=[HOST])
    hosts.forget()


def shown(host: str, address: str = PAGE) -> str:
    return Browser().get(address, headers={"Host": host}).content.decode()


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:8443"])
def test_a_host_shows_its_brand(acme, host):
    assert "Acme &amp; Co" in shown(host)
    assert "Acme &amp; Co" in shown(host, "/nowhere")


def test_another_host_of_ours_shows_none(acme):
    assert "Acme" not in shown("other.example")


@pytest.mark.parametrize(
    "host",
    [
        *("attacker.example", f"{HOST}.attacker.example", f"x.{HOST}", f"{HOST}@attacker.example"),
        *("", "login.acme.example/", "[::1", "'\"><script>", f"{HOST}:x", 300 * "a", "*", "127.1"),
    ],
)
def test_a_made_up_host_shows_none_is_not_repeated_and_costs_no_query(
    acme, host, django_assert_num_queries
):
    hosts.forget()
    with django_assert_num_queries(0):
        page = shown(host, "/nowhere")
    assert "Acme" not in page
    if host:
        assert host not in page


def test_what_brands_register_counts_only_where_the_server_answers_to_it(acme):
    acme.hosts = ["testserver"]
    acme.save()
    assert "Acme" not in shown("testserver")


def test_a_change_shows_at_once_and_an_outage_keeps_the_look(acme, monkeypatch):
    assert "Acme" in shown(HOST)
    acme.name = "Nouveau"
    acme.save()
    assert "Nouveau" in shown(HOST, "/nowhere")

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("the server is gone")

    hosts.forget()
    monkeypatch.setattr(Brand.objects, "exclude", fail)
    assert "Nouveau" in shown(HOST, "/nowhere")


@pytest.mark.parametrize(
    "names",
    ["login.example", [1], [""], ["a b"], ["a:1"], ["*.example"], ["A.example"], ["-a"], ["a..b"],
     ["a", "a"], ["é.example"], [300 * "a"], [f"h{n}" for n in range(21)]],
)  # fmt: skip
def test_what_is_no_list_of_host_names_is_refused(names):
    with pytest.raises(ValidationError) as refused:
        Brand(slug="x", name="X", hosts=names).full_clean()
    assert list(refused.value.message_dict) == ["hosts"]


def test_a_host_has_one_brand(acme):
    with pytest.raises(ValidationError, match="shows the brand Acme"):
        Brand(slug="globex", name="Globex", hosts=[HOST]).full_clean()
