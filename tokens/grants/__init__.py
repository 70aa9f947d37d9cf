"""All grants of the token endpoint: a grant that is not in this table is not offered."""

from tokens.grants.authorization_code import AuthorizationCode
from tokens.grants.base import Grant
from tokens.grants.client_credentials import ClientCredentials
from tokens.grants.device_code import DeviceCode
from tokens.grants.jwt_bearer import JWTBearer
from tokens.grants.password import Password
from tokens.grants.refresh_token import RefreshToken
from tokens.grants.token_exchange import TokenExchange

GRANTS: dict[str, type[Grant]] = {
    "authorization_code": AuthorizationCode,
    "client_credentials": ClientCredentials,
    "refresh_token": RefreshToken,
    "password": Password,
    "urn:ietf:params:oauth:grant-type:device_code": DeviceCode,
    "urn:ietf:params:oauth:grant-type:token-exchange": TokenExchange,
    "urn:ietf:params:oauth:grant-type:jwt-bearer": JWTBearer,
}
