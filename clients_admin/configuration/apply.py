"""Makes the database as a file says, in one transaction: all of it, or nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Model

from branding.models import FILES, Brand, BrandFile
from branding.uploads import Upload
from clients_admin import secrets
from clients_admin.configuration import diff, document, references, sections, stored
from clients_admin.configuration.diff import Change
from clients_admin.configuration.document import Entry, Problems, of_json
from clients_admin.configuration.sections import Configuration, Item
from clients_admin.configuration.stored import Rows
from clients_admin.models import Client, Scope, ScopeGroup
from idp.accounts import local
from idp.accounts.models import LocalAccount, LoginService, TrustedIssuer
from idp.audit import changes
from idp.audit.context import acting

KEY_OF_FIELD = {"is_active": "active", "is_enabled": "enabled"}
TRUSTED_ISSUER_FIELDS = (
    "issuer",
    "audience",
    "jwks_url",
    "public_keys",
    "algorithms",
    "max_lifetime_seconds",
    "subject_claim",
    "claims",
)
CLIENT_FIELDS = (
    "name",
    "description",
    "client_type",
    "grant_types",
    "backchannel_logout_uri",
    "backchannel_logout_session_required",
    "jwks",
    "jwks_url",
    "flags",
)
ACTOR = "manage.py config apply"
CLIENT_URIS = ("redirect_uris", "post_logout_redirect_uris", "allowed_origins")


@dataclass(frozen=True, slots=True)
class Applied:
    """What was changed, or would be, and what its author should know."""

    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def apply(file: Path, *, dry_run: bool = False) -> Applied:
    """Adds and updates what the file describes; what it does not mention stays.

    A dry run does the same and takes it back, so that it cannot say anything else. Raises
    ConfigurationError, with everything that is wrong, and then nothing is changed.
    """
    problems = Problems(file)
    configuration = sections.read(document.read(file, problems), problems)
    with acting(ACTOR), transaction.atomic():
        stored.wait_for_other_runs()
        applied = _Run(configuration, problems).all_sections()
        problems.raise_any()
        transaction.set_rollback(dry_run)
    return applied


def apply_object(section: str, value: Any) -> None:
    """Adds or updates one object that JSON describes, in the caller's transaction, who acts there
    and has waited for other runs. Raises ConfigurationError: the transaction must then end."""
    problems = Problems()
    configuration = sections.read_object(section, of_json(value, problems), problems)
    _Run(configuration, problems).all_sections()
    problems.raise_any()


class _Run:
    """One application of one file. After a problem it goes on, to find the others."""

    def __init__(self, configuration: Configuration, problems: Problems) -> None:
        self.configuration = configuration
        self.problems = problems
        self.applied = Applied()
        self.before: list[tuple[Model, changes.State]] = []
        self.rows = Rows.load(
            usernames=[item.values["username"] for item in configuration.users],
            client_ids=[item.values["client_id"] for item in configuration.clients],
        )

    def all_sections(self) -> Applied:
        references.check(self.configuration, self.rows, self.problems)
        for item in self.configuration.brands:
            self.brand(item)
        for item in self.configuration.scopes:
            self.scope(item)
        self.scope_groups()
        for item in self.configuration.login_services:
            self.login_service(item)
        for item in self.configuration.trusted_issuers:
            self.trusted_issuer(item)
        for item in self.configuration.users:
            self.user(item)
        for item in self.configuration.clients:
            self.client(item)
        for row, before in self.before:
            changes.record_change(row, before)
        return self.applied

    def brand(self, item: Item) -> None:
        slug = item.values["slug"]
        row = self.rows.brands.get(slug) or Brand(slug=slug)
        changed = _changed(row, stored.brand, item)
        files = {name: _brand_file(item.values[name]) for name in FILES}
        _assign(row, {**item.values, **files})
        if self.keep("brand", slug, row, item, changed):
            self.rows.brands[slug] = row

    def scope(self, item: Item) -> None:
        name = item.values["name"]
        row = self.rows.scopes.get(name) or Scope(name=name)
        changed = _changed(row, stored.scope, item)
        _assign(row, item.values)
        if self.keep("scope", name, row, item, changed):
            self.rows.scopes[name] = row

    def scope_groups(self) -> None:
        """First all groups, then what is in them: a group may name one that comes later."""
        kept = [item for item in self.configuration.scope_groups if self.scope_group(item)]
        for item in kept:
            row, members = self.rows.scope_groups[item.values["name"]], item.values["members"]
            if stored.scope_group(row)["members"] != members:
                row.scopes.set(_found(self.rows.scopes, members))
                row.groups.set(_found(self.rows.scope_groups, members))

    def scope_group(self, item: Item) -> bool:
        name = item.values["name"]
        row = self.rows.scope_groups.get(name) or ScopeGroup(name=name)
        changed = _changed(row, stored.scope_group, item)
        row.description = item.values["description"]
        kept = self.keep("scope group", name, row, item, changed)
        if kept:
            self.rows.scope_groups[name] = row
        return kept

    def login_service(self, item: Item) -> None:
        name = item.values["name"]
        row = self.rows.login_services.get(name) or LoginService(name=name)
        changed = _changed(row, stored.login_service, item)
        row.kind = item.values["kind"]
        row.brand = self.rows.brands.get(item.values["brand"])
        row.settings = item.values["settings"] or {}
        row.is_enabled = item.values.get("enabled", row.is_enabled)
        if self.keep("login service", name, row, item, changed):
            self.rows.login_services[name] = row

    def trusted_issuer(self, item: Item) -> None:
        name = item.values["name"]
        row = self.rows.trusted_issuers.get(name) or TrustedIssuer(name=name)
        changed = _changed(row, stored.trusted_issuer, item)
        _assign(row, {key: item.values[key] for key in TRUSTED_ISSUER_FIELDS})
        _assign(row, {"login_service": self.rows.login_services.get(item.values["login_service"])})
        row.is_enabled = item.values.get("enabled", row.is_enabled)
        if self.keep("trusted issuer", name, row, item, changed):
            self.rows.trusted_issuers[name] = row

    def user(self, item: Item) -> None:
        service = self.rows.login_services.get(item.values["login_service"])
        if service is None:
            return  # It is missing or wrong, and that has been said.
        username = item.values["username"]
        known = self.rows.accounts.get(stored.account_key(service.name, username))
        row = known or LocalAccount(login_service=service)
        changed = _changed(row, stored.account, item)
        row.username, row.claims = username, item.values["claims"]
        row.is_active = item.values.get("active", row.is_active)
        changed += self.password(row, item)
        self.keep("user", f"{service.name}/{username}", row, item, changed)

    def password(self, row: LocalAccount, item: Item) -> list[str]:
        """Hashes the password of the file, if it is another one; what that changes."""
        password = item.values.get("password")
        if password is None:
            if row._state.adding:
                row.password = make_password(None)
                self.warn(f"user {row.username} cannot sign in: the file gives no password")
            return []
        if not row._state.adding and check_password(password, row.password):
            return []
        local.set_password(row, password)
        return ["password changed"]

    def client(self, item: Item) -> None:
        client_id, wanted = item.values["client_id"], item.values.get("client_secrets")
        row = self.rows.clients.get(client_id) or Client(client_id=client_id)
        is_new = row._state.adding
        changed = _changed(row, stored.client, item)
        if wanted is not None and not is_new and not _opened_by_exactly(row, wanted):
            changed.append("secret changed")
        self.assign_client(row, item.values)
        if not self.keep("client", client_id, row, item, changed):
            return
        if is_new or changed:
            self.relate_client(row, item.values)
            _replace_secrets(row, wanted)
        if is_new and row.is_confidential and wanted is None:
            self.warn(f"client {client_id} has no secret: the file gives none")

    def assign_client(self, row: Client, values: Mapping[str, Any]) -> None:
        _assign(row, {key: values[key] for key in CLIENT_FIELDS})
        for key in CLIENT_URIS:
            setattr(row, key, " ".join(values[key]))
        row.brand = self.rows.brands.get(values["brand"])
        row.is_active = values.get("active", row.is_active)

    def relate_client(self, row: Client, values: Mapping[str, Any]) -> None:
        row.scopes.set(_found(self.rows.scopes, values["scopes"]))
        row.scope_groups.set(_found(self.rows.scope_groups, values["scope_groups"]))
        ordered = _found(self.rows.login_services, values["login_services"])
        links = row.clientloginservice_set
        if [link.login_service for link in links.all()] != ordered:
            links.all().delete()
            for position, service in enumerate(ordered):
                links.create(login_service=service, position=position)

    def keep(self, noun: str, name: str, row: Model, item: Item, changed: list[str]) -> bool:
        """Saves the row where it is new or changed; False where it is wrong."""
        if not self.is_valid(row, item):
            return False
        if row._state.adding:
            self.applied.changes.append(Change(noun, name))
            self.before.append((row, changes.NOTHING))
            row.save()
        elif changed:
            self.applied.changes.extend(Change(noun, name, detail) for detail in changed)
            self.before.append((row, changes.state_of(row)))
            row.save()
        return True

    def is_valid(self, row: Model, item: Item) -> bool:
        try:
            row.full_clean()
        except ValidationError as error:
            for field_name, messages in error.message_dict.items():
                self.refuse(_place(item, field_name), messages)
            return False
        return True

    def refuse(self, place: Entry, messages: Iterable[str]) -> None:
        """What the file's reader has refused already is not refused a second time."""
        if not self.problems.concern(place):
            for message in messages:
                self.problems.add(place, message)

    def warn(self, text: str) -> None:
        self.applied.warnings.append(text)


def _changed[Row: Model](
    row: Row, description: Callable[[Row], dict[str, Any]], item: Item
) -> list[str]:
    """How the item differs from the row; nothing where the row is new."""
    return [] if row._state.adding else list(diff.details(description(row), item.values))


def _brand_file(data_url: str | None) -> BrandFile | None:
    return BrandFile.of(Upload.read(data_url)) if data_url else None


def _assign(row: Model, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def _found[Row: Model](rows: Mapping[str, Row], names: Iterable[str]) -> list[Row]:
    return [rows[name] for name in names if name in rows]


def _place(item: Item, field_name: str) -> Entry:
    if field_name == NON_FIELD_ERRORS:
        return item.entry
    return item.place(KEY_OF_FIELD.get(field_name, field_name))


def _opened_by_exactly(client: Client, wanted: list[str]) -> bool:
    live = secrets.live(client)
    return all(any(secrets.matches(known, secret) for known in live) for secret in wanted) and all(
        any(secrets.matches(known, secret) for secret in wanted) for known in live
    )


def _replace_secrets(client: Client, wanted: list[str] | None) -> None:
    """Ends the secrets that the file does not give, adds those that are missing."""
    if wanted is None:
        return
    missing = list(wanted)
    for known in secrets.live(client):
        if kept := [secret for secret in missing if secrets.matches(known, secret)]:
            missing.remove(kept[0])
        else:
            secrets.end(known, actor=ACTOR)
    for secret in missing:
        secrets.add(client, secret, actor=ACTOR)
