"""Of two who send one code at once, one is let in: threads on real PostgreSQL (RFC 6238, 5.2)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection

from idp.accounts import second_factor, totp
from idp.accounts.models import User
from tests.configuration import account

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", list(second_factor.Way))
def test_one_code_at_the_same_time_counts_once(way):
    of = account()
    user = User.objects.create(
        login_service=of.login_service, external_id=str(of.external_id), username=of.username
    )
    secret = totp.new_secret()
    begun = NOW - timedelta(minutes=5)
    codes = second_factor.set_up(user, secret, totp.code(secret, totp.step_at(begun)), begun)
    is_app = way is second_factor.Way.APP
    typed = totp.code(secret, totp.step_at(NOW)) if is_app else codes[0]
    together = Barrier(2)

    def one() -> bool:
        together.wait()
        try:
            found = second_factor.check(user, typed, address="", client_id=None, now=NOW)
            return found is way
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        won = [future.result() for future in [pool.submit(one), pool.submit(one)]]
    assert sorted(won) == [False, True]
