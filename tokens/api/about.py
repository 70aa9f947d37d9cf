"""What the OpenAPI document says of the API as a whole; Django's settings take it from here."""

_DESCRIPTION = """\
For operators and their programs.

Every call needs an access token of this identity provider with the scope that stands beside it: of
a client that acts for itself, or of an operator whose role allows the same in the admin. Bodies are
JSON; what is unknown in a body or a query is refused. What is wrong is said by problem details
(RFC 9457), and then nothing was changed.

Clients, scopes and scope groups have the names and shapes of configuration files. Each has an ETag:
whoever changes one says with `If-Match` what they have read.
"""

SPECTACULAR = {
    "TITLE": "IDP API",
    "VERSION": "1",
    "DESCRIPTION": _DESCRIPTION,
    "TAGS": [
        {"name": "blocks", "description": "Addresses and users that are refused."},
        {"name": "clients", "description": "Applications, their flags and their secrets."},
        {"name": "scopes", "description": "What clients may ask for."},
        {"name": "scope-groups", "description": "Names for several scopes."},
        {"name": "flags", "description": "What a client can be set to."},
        {"name": "audit", "description": "What has happened, and who did it."},
    ],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "OAS_VERSION": "3.1.1",
}
