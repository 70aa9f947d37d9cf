"""People who come to the operators' pages, and the roles that they are given."""

import psycopg
from playwright.sync_api import Page

from tests.servers import LiveIDP


def sign_in(page: Page, idp: LiveIDP, name: str, password: str) -> None:
    page.goto(f"{idp.public_url}/admin/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def give_role(idp: LiveIDP, name: str, role: str) -> None:
    """As a superuser does it, for somebody who has signed in before."""
    with psycopg.connect(idp.environment["IDP_DATABASE_URL"], autocommit=True) as database:
        database.execute("UPDATE idp_user SET is_staff = true WHERE username = %s", [name])
        database.execute(
            "INSERT INTO idp_user_groups (user_id, group_id) SELECT u.id, g.id FROM idp_user u, "
            "auth_group g WHERE u.username = %s AND g.name = %s",
            [name, role],
        )
