"""The operators' start page: what has happened, what is wrong, and what soon will be."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clients_admin import secrets
from clients_admin.admin.dashboard import HOURS, Bars
from clients_admin.models import Client, ClientSecret
from clients_admin.roles import EDITORS, VIEWERS
from idp import metrics, tallies
from idp.accounts.models import LoginService
from idp.blocking.models import Block
from idp.tallies.models import Tally, by_hour
from tests.api.callers import block
from tests.configuration import batch, login_service
from tests.test_admin import PASSWORD, operator
from tokens.keys.models import SigningKey

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def nothing_pending() -> None:
    tallies._pending._numbers.clear()


@pytest.fixture
def viewer() -> Any:
    return operator("vera", VIEWERS)


def cards(browser: Any) -> dict[str, str]:
    """The text of each card of the page, by its title."""
    answer = browser.get(reverse("admin:index"))
    assert answer.status_code == 200
    found = re.findall(r"<section.*?</section>", answer.content.decode(), re.DOTALL)
    texts = [re.sub(r"<[^>]*>|\s+", " ", section) for section in found]
    texts = [re.sub(r" +", " ", text).strip() for text in texts]
    titles = [re.search(r"<h2[^>]*>(.*?)</h2>", section)[1] for section in found]
    return dict(zip(titles, texts, strict=True))


# --- Tallies --------------------------------------------------------------------------------------


def test_what_processes_count_adds_up_by_hour():
    tallies.add("logins:accepted:web", 2)
    tallies.add("logins:refused:web", 1)
    tallies.write()
    tallies.add("logins:accepted:web", 40)
    tallies.write()
    tallies.write()
    now = timezone.now()
    assert by_hour(now, 3) == {
        "logins:accepted:web": [0, 0, 42],
        "logins:refused:web": [0, 0, 1],
    }
    assert by_hour(now + HOUR, 3)["logins:accepted:web"] == [0, 42, 0]
    assert by_hour(now + 3 * HOUR, 3) == {}


def test_what_is_counted_is_tallied_with_the_labels_that_the_page_reads():
    metrics.count(metrics.LOGINS, service="web", outcome="accepted")
    metrics.count(metrics.ACCESS_TOKENS, 3, client="shop", how="new")
    metrics.count(metrics.REFRESHES, client="shop", outcome="replayed")
    metrics.count(metrics.BLOCKS, kind="address", effect="refuse")
    metrics.count(metrics.EVICTIONS, client="shop", kind="family")
    assert dict(tallies._pending._numbers) == {}, "the transaction is still open"
    with connection.cursor():
        for _, add, _ in connection.run_on_commit:
            add()
    connection.run_on_commit.clear()
    assert dict(tallies._pending._numbers) == {
        "logins:accepted:web": 1,
        "tokens:new": 3,
        "refreshes:replayed": 1,
        "blocks:refuse:address": 1,
    }


def test_what_cannot_be_written_is_kept_for_the_next_time(monkeypatch):
    def fail(_: object) -> None:
        raise ConnectionError

    tallies.add("tokens:new", 5)
    with monkeypatch.context() as patch:
        patch.setattr(tallies, "_add", fail)
        with pytest.raises(ConnectionError):
            tallies.write()
    tallies.add("tokens:new", 1)
    tallies.write()
    assert Tally.objects.get().number == 6


def test_no_process_remembers_names_without_end(monkeypatch):
    monkeypatch.setattr(tallies, "MAX_NAMES", 2)
    for name in ("a", "b", "c", "a"):
        tallies.add(name, 1)
    assert dict(tallies._pending._numbers) == {"a": 2, "b": 1}


@pytest.mark.django_db(transaction=True)
def test_processes_that_write_at_once_wait_for_each_other_and_lose_nothing():
    def write() -> None:
        pending = tallies._Pending()
        for _ in range(20):
            for name in ("b", "a", "c"):
                pending.add(name, 1)
            pending.write()
        connections["default"].close()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = by_hour(timezone.now(), 2)
    assert {name: sum(numbers) for name, numbers in found.items()} == dict.fromkeys("abc", 160)


# --- Bars -----------------------------------------------------------------------------------------


def test_bars_are_as_high_as_their_numbers_and_any_number_is_seen():
    bars = Bars([0, 1, 1000, 500], "Tokens")
    assert [rect["height"] for rect in bars.rects] == [0, 1, 40, 20]
    assert [rect["y"] + rect["height"] for rect in bars.rects] == [40] * 4
    assert bars.words == (
        "Tokens in each of the last 4 hours: at most 1,000, in this hour 500 so far"
    )
    assert [rect["height"] for rect in Bars([0, 0], "Tokens").rects] == [0, 0]


# --- The page -------------------------------------------------------------------------------------


def test_a_new_installation_has_a_page_without_trouble(viewer):
    found = cards(viewer)
    assert list(found) == [
        *("Tokens", "Signing keys", "Sign-ins", "Blocks"),
        *("Login services", "About to end", "Exposed secrets"),
    ]
    assert "0 new in 24 hours" in found["Tokens"] or "new in 24 hours 0" in found["Tokens"]
    assert found["Login services"].endswith("All that were asked have answered.")
    assert found["Exposed secrets"].endswith("No living secret has stood in a URL.")


def test_the_day_is_the_last_24_hours_and_the_bars_are_two_days(viewer):
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    for hours_ago, number in ((0, 1), (23, 20), (24, 300), (47, 4000), (48, 50_000)):
        hour = now - hours_ago * HOUR
        Tally.objects.create(hour=hour, name="tokens:new", number=number)
        Tally.objects.create(hour=hour, name="tokens:reused", number=7)
    assert "new in 24 hours 21 " in cards(viewer)["Tokens"]
    page = viewer.get(reverse("admin:index")).content.decode()
    assert f"New access tokens in each of the last {HOURS} hours: at most 4,000" in page


def test_blocks_are_counted_and_linked(viewer):
    block()
    block(effect="shadow")
    Block.objects.update(until=timezone.now() + HOUR)
    text = cards(viewer)["Blocks"]
    assert "refused now 1 " in text
    assert "would be refused 1 " in text
    page = viewer.get(reverse("admin:index")).content.decode()
    assert f'href="{reverse("admin:idp_block_changelist")}"' in page


def test_a_service_that_was_unavailable_is_named_until_the_hour_after_is_over(viewer):
    service = login_service("web")
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    tally = Tally.objects.create(hour=now, name="logins:unavailable:web", number=12)
    assert "web unavailable for 12 sign-ins" in cards(viewer)["Login services"]
    Tally.objects.filter(pk=tally.pk).update(hour=now - HOUR)
    assert "web unavailable" in cards(viewer)["Login services"]
    Tally.objects.update(hour=now - 2 * HOUR)
    assert "web" not in cards(viewer)["Login services"]
    Tally.objects.update(hour=now)
    LoginService.objects.filter(pk=service.pk).update(is_enabled=False)
    assert "web" not in cards(viewer)["Login services"]


def test_secrets_that_end_soon_and_those_that_got_out_are_named_and_not_shown(viewer):
    client = batch()
    now = timezone.now()
    ClientSecret.objects.filter(client=client).update(
        expires_at=now + timedelta(days=3), exposed_at=now
    )
    found = cards(viewer)
    assert re.search(r"batch client secret ends on .* in 3 days", found["About to end"])
    assert "batch its secret stood in a URL" in found["Exposed secrets"]
    ClientSecret.objects.update(expires_at=now - timedelta(days=1))
    found = cards(viewer)
    assert "batch client secret ended on" in found["About to end"]
    assert "batch" not in found["Exposed secrets"]


def test_a_long_list_is_cut_and_says_so(viewer):
    for number in range(10):
        client = Client.objects.create(
            client_id=f"client-{number}", client_type="confidential", grant_types=[]
        )
        secrets.add(client, secrets.generate(), actor="test")
    ClientSecret.objects.update(expires_at=timezone.now() + timedelta(days=1))
    text = cards(viewer)["About to end"]
    assert text.count("client secret ends") == 8
    assert text.endswith("And 2 more.")


def test_keys_that_cannot_be_opened_are_named(viewer):
    key = SigningKey.objects.published().first()
    assert "is replaced on" in cards(viewer)["Signing keys"]
    SigningKey.objects.filter(pk=key.pk).update(private_encrypted=b"x" * 100)
    assert f"{key.kid} cannot be opened" in cards(viewer)["Signing keys"]


def test_the_page_asks_as_little_however_much_there_is():
    editor = operator("eddy", EDITORS)

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            cards(editor)
        return len(queries)

    count()
    few = count()
    for number in range(5):
        login_service(f"service-{number}")
        block(f"192.0.2.{number}")
        client = Client.objects.create(
            client_id=f"client-{number}", client_type="confidential", grant_types=[]
        )
        secrets.add(client, secrets.generate(), actor="test")
    ClientSecret.objects.update(expires_at=timezone.now(), exposed_at=timezone.now())
    assert count() == few


def test_whoever_may_see_nothing_sees_no_card():
    nobody = operator("nora")
    assert cards(nobody) == {}


def test_whoever_signs_in_without_having_wanted_a_page_gets_this_one():
    operator("vera", VIEWERS)
    form = {"username": "vera", "password": PASSWORD}
    answer = Browser().post(reverse("admin:login"), form)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
