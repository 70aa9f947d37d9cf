"""`manage.py client_secret`: what programs and people do without the admin."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from clients_admin import secrets
from clients_admin.models import ClientSecret
from idp.audit.models import AuditEvent
from tests.configuration import SECRET, batch, shop

pytestmark = pytest.mark.django_db


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("client_secret", *arguments)
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def tags() -> list[tuple[str, str | None]]:
    return list(AuditEvent.objects.order_by("id").values_list("tag", "actor"))


def test_rotate_prints_the_new_secret_and_nothing_else(capsys):
    client = batch()
    printed = run(capsys, "rotate", "batch")
    secret = printed.removesuffix("\n")
    assert secrets.verify(client, secret)
    assert secrets.verify(client, SECRET)
    old = client.secrets.order_by("pk")[0]
    assert timedelta(days=6.9) < old.expires_at - timezone.now() <= timedelta(days=7)
    actor = "manage.py client_secret"
    assert tags() == [("clients:secret:ended", actor), ("clients:secret:added", actor)]
    assert not AuditEvent.objects.filter(details__icontains=secret).exists()


@pytest.mark.parametrize(
    ("given", "seconds"), [("now", 0), ("30m", 1800), ("12h", 43_200), ("1d", 86_400)]
)
def test_the_old_one_ends_when_it_is_told_to(capsys, given, seconds):
    client = batch()
    run(capsys, "rotate", "batch", "--old-ends-in", given)
    left = client.secrets.order_by("pk")[0].expires_at - timezone.now()
    assert -10 < left.total_seconds() - seconds <= 0
    assert secrets.verify(client, SECRET) is (seconds > 0)


@pytest.mark.parametrize("given", ["", "7", "-1d", "7w", "1.5d", "366d", "999999d", "7d\n", "²d"])
def test_what_is_no_duration_is_refused(given):
    batch()
    with pytest.raises(CommandError, match="up to 365d"):
        call_command("client_secret", "rotate", "batch", f"--old-ends-in={given}")
    assert ClientSecret.objects.count() == 1


def test_a_third_live_secret_is_refused_unless_the_others_end_now(capsys):
    client = batch()
    run(capsys, "rotate", "batch")
    before = list(client.secrets.values())
    with pytest.raises(CommandError, match="2 live secrets"):
        call_command("client_secret", "rotate", "batch")
    assert list(client.secrets.values()) == before
    secret = run(capsys, "rotate", "batch", "--old-ends-in", "now").strip()
    assert [secrets.matches(known, secret) for known in secrets.live(client)] == [True]


def test_a_client_without_a_secret_gets_its_first(capsys):
    client = batch()
    client.secrets.all().delete()
    assert secrets.verify(client, run(capsys, "rotate", "batch").strip())


def test_list_says_which_there_are_and_never_what(capsys):
    client = batch()
    assert run(capsys, "list", "batch").endswith("last used never  ends never\n")
    secret = run(capsys, "rotate", "batch", "--old-ends-in", "1d").strip()
    secrets.verify(client, SECRET)
    secrets.mark_exposed(client, SECRET)
    printed = run(capsys, "list", "batch")
    new, old = printed.splitlines()
    assert [int(line.split()[0]) for line in (new, old)] == [
        known.pk for known in client.secrets.all()
    ]
    assert "STOOD IN A URL" in old
    assert "STOOD IN A URL" not in new
    assert "never" not in old
    assert secret not in printed
    assert SECRET not in printed


def test_end_ends_one_at_once(capsys):
    client = batch()
    secret_id = str(client.secrets.get().pk)
    assert run(capsys, "end", "batch", secret_id) == f"Secret {secret_id} of batch has ended.\n"
    assert secrets.live(client) == []
    assert tags() == [("clients:secret:ended", "manage.py client_secret")]
    for wrong in (secret_id, "0", "-1", "9" * 30):
        with pytest.raises(CommandError, match="has no live secret"):
            call_command("client_secret", "end", "batch", "--", wrong)


def test_a_secret_of_another_client_is_not_ended():
    batch()
    other = batch("other").secrets.get()
    with pytest.raises(CommandError, match="has no live secret"):
        call_command("client_secret", "end", "batch", str(other.pk))
    assert ClientSecret.objects.get(pk=other.pk).expires_at is None


@pytest.mark.parametrize("client_id", ["nobody", "", "a\0b", "é" * 500])
def test_a_client_that_is_not_there_is_said(client_id):
    with pytest.raises(CommandError, match="There is no client"):
        call_command("client_secret", "rotate", client_id)


def test_a_public_client_has_none():
    shop()
    with pytest.raises(CommandError, match="shop is public"):
        call_command("client_secret", "rotate", "shop")
