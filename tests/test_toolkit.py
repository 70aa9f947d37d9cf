"""What is taken of Django OAuth Toolkit, and what is worked around."""

from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from oauth2_provider.oauth2_validators import OAuth2Validator

from tokens.validator import Validator


@pytest.mark.django_db
def test_the_toolkit_has_no_table_of_its_own():
    tables = connection.introspection.table_names()
    assert [name for name in tables if name.startswith("oauth2_provider")] == []
    assert "tokens_accesstoken" in tables


def test_all_six_models_of_the_toolkit_are_swapped():
    models = apps.get_app_config("oauth2_provider").get_models(include_swapped=True)
    swapped = {model.__name__: model._meta.swapped for model in models}
    assert swapped == {
        "Application": "clients_admin.Client",
        "Grant": "tokens.AuthorizationCode",
        "AccessToken": "tokens.AccessToken",
        "RefreshToken": "tokens.RefreshToken",
        "IDToken": "tokens.IDToken",
        "DeviceGrant": "tokens.DeviceGrant",
    }


def test_the_workaround_for_extension_grants_is_still_needed():
    """When this fails, upstream has mended it, and `validate_grant_type` can go."""
    client = SimpleNamespace(allows_grant_type=lambda *_: True)
    with pytest.raises(AssertionError):
        OAuth2Validator().validate_grant_type("c", "urn:example:grant", client, None)
    assert Validator().validate_grant_type("c", "urn:example:grant", client, None) is True
