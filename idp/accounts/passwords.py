"""New passwords that users of a local login service choose: what may be one, and who may set it."""

from datetime import datetime

from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    MinimumLengthValidator,
    UserAttributeSimilarityValidator,
)
from django.core.exceptions import ValidationError
from django.db import transaction

from idp.accounts import local, password_links
from idp.accounts.models import LocalAccount
from idp.accounts.password_links import Link
from idp.audit.record import record
from idp.audit.tags import Tag

MIN_CHARACTERS = 10
_VALIDATORS = (
    MinimumLengthValidator(MIN_CHARACTERS),
    UserAttributeSimilarityValidator(user_attributes=("username",)),
    CommonPasswordValidator(),
)


def problems_with(password: str, account: LocalAccount) -> list[str]:
    """The codes of what is wrong: `password_too_short`, `password_too_similar` (to the user name),
    `password_too_common`. Their words are the page's."""
    problems = []
    for validator in _VALIDATORS:
        try:
            # It reads one attribute, and an account has that too.
            validator.validate(password, account)  # type: ignore[arg-type]
        except ValidationError as problem:
            problems.append(str(problem.code))
    return problems


def reset(link: Link, password: str, *, address: str, now: datetime) -> LocalAccount | None:
    """Sets a new password by a link, and lifts the block of the user; None where the link is over,
    also because somebody was faster."""
    with transaction.atomic():
        account = password_links.account_of(link, now, lock=True)
        if account is not None:
            tag = Tag.ACCOUNTS_PASSWORD_RESET
            _set(account, password, tag, client_id=link.client_id, address=address)
    return account


def change(account: LocalAccount, present: str, new: str, *, address: str) -> bool:
    """Sets a new password of somebody who has just proved the present one, at the guard.

    It is compared once more while the account is held: a reset may have come first, and that wins.
    """
    with transaction.atomic():
        held = LocalAccount.objects.select_for_update(of=("self",)).select_related("login_service")
        row = held.filter(pk=account.pk, is_active=True).first()
        if row is None or not check_password(present, row.password):
            return False
        _set(row, new, Tag.ACCOUNTS_PASSWORD_CHANGED, client_id=None, address=address)
    return True


def _set(
    account: LocalAccount, password: str, tag: Tag, *, client_id: str | None, address: str
) -> None:
    local.set_password(account, password)
    account.save(update_fields=["password"])
    user = local.user_of(account)
    record(
        tag,
        client_id=client_id,
        user_id=user.pk if user else None,
        address=address or None,
        login_service=account.login_service.name,
        username=account.username,
    )
