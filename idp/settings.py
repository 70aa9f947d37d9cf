"""Django's settings, derived from the typed environment in `idp/environment.py`."""

import logging
from pathlib import Path
from urllib.parse import urlsplit

from django.utils.csp import CSP

import idp.metrics  # noqa: F401 (says where metrics are kept, before an app imports their library)
from clients_admin.admin import appearance
from idp.environment import environment
from idp.logs import console
from tokens.api import about

env = environment()

BASE_DIR = Path(__file__).resolve().parent.parent
PUBLIC_URL = env.public_url
HTTPS = PUBLIC_URL.startswith("https://")

SECRET_KEY, *SECRET_KEY_FALLBACKS = [key.get_secret_value() for key in env.secret_keys]
TOKEN_KEYS = {key.id: key.key for key in env.token_keys}
DEBUG = env.debug
# What brands may register; the rest is for those who ask from the machine itself.
BRAND_HOSTS = frozenset(filter(None, [urlsplit(PUBLIC_URL).hostname, *env.hosts]))
ALLOWED_HOSTS = [*sorted(BRAND_HOSTS), "localhost", "127.0.0.1", "[::1]"]
BRAND_TEMPLATES = env.brand_templates
INTERNAL_NETWORKS = env.internal_networks
TRUSTED_PROXIES = env.trusted_proxies
BLOCKING = env.blocking
USER_FAILURES = env.user_failures
JWKS_ALLOWED_NETWORKS = env.jwks_allowed_networks
LOGOUT_ALLOWED_NETWORKS = env.logout_allowed_networks
INTROSPECTION_CACHE_SECONDS = env.introspection_cache_seconds
AUDIT_LOG = env.audit_log == "on"

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "clients_admin.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django_prometheus",
    "oauth2_provider",
    "idp",
    "branding",
    "clients_admin",
    "tokens",
]

# CommonMiddleware is left out on purpose: it reads the Host header of every request, and no
# protocol endpoint may depend on that header. Forms are held by CSRF's own host check.
MIDDLEWARE = [
    "idp.ops.request_metrics.RequestMetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "idp.audit.context.AuditContextMiddleware",
    "idp.blocking.middleware.BlockingMiddleware",
    "tokens.client_addresses.ClientAddressMiddleware",
    "tokens.interaction.browser.BrowserMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "branding.page_language.PageLanguageMiddleware",
    "idp.outage.MethodNotAllowedMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tokens.exposed_credentials.ExposedCredentialsMiddleware",
]

ROOT_URLCONF = "idp.urls"
WSGI_APPLICATION = "idp.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.csp",
            ]
        },
    }
]

# --- Database: PostgreSQL and nothing else ---------------------------------------------------

_database = env.database_settings
DATABASES = {
    "default": {
        # Not the engine of django-prometheus: it wraps a connection of the pool once more each time
        # that the pool gives it out, and counts its statements as often.
        "ENGINE": "django.db.backends.postgresql",
        # A connection is checked before each request uses it, so a restarted server is noticed
        # by the pool and not by a user.
        "CONN_HEALTH_CHECKS": True,
        **_database,
        "OPTIONS": {
            "connect_timeout": 3,
            **_database["OPTIONS"],
            # A failed attempt to connect is soon given up, so that the next request makes a new
            # one: the pool's own pauses between attempts grow to minutes.
            "pool": {
                "min_size": 1,
                "max_size": env.threads + 2,
                "timeout": 3,
                "reconnect_timeout": 1,
            },
        },
    }
}

# --- Who signs in ----------------------------------------------------------------------------

AUTH_USER_MODEL = "idp.User"
AUTHENTICATION_BACKENDS = ["idp.accounts.backends.OperatorBackend"]
PASSWORD_HASHERS = ["idp.accounts.hashers.PasswordHasher"]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
UNFOLD = appearance.UNFOLD
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Mail to users: sent by the worker ---------------------------------------------------------

MAILERS = {"default": env.mailer}
DEFAULT_FROM_EMAIL = env.mail_from or "nobody@localhost"

# --- Sessions, cookies, headers ---------------------------------------------------------------

SESSION_ENGINE = "idp.sessions"
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}idp-session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}idp-csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
# What a visitor chooses on a page; `branding.page_language` reads and writes it.
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}idp-language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "tokens.interaction.pages.csrf_failure"
X_FRAME_OPTIONS = "DENY"
# Not no-referrer: browsers would then post our own forms with "Origin: null", which CSRF refuses.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
# TLS ends at the proxy, which reports it in this header and redirects plain requests.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "manifest-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
}

# --- Requests ----------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- The API: its views say all else themselves ------------------------------------------------

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = about.SPECTACULAR

# --- Metrics -----------------------------------------------------------------------------------

# Most requests take a few milliseconds; the buckets that django-prometheus has begin at ten.
PROMETHEUS_LATENCY_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    float("inf"),
)
# It would query the database at every start.
PROMETHEUS_EXPORT_MIGRATIONS = False

# --- Languages, time ----------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("nl", "Nederlands"), ("de", "Deutsch"), ("fr", "Français")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static files -------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = env.var_dir / "static"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- The toolkit: every model swapped, its admin pages replaced by ours --------------------------

OAUTH2_PROVIDER_APPLICATION_MODEL = "clients_admin.Client"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "tokens.AccessToken"
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "tokens.RefreshToken"
OAUTH2_PROVIDER_GRANT_MODEL = "tokens.AuthorizationCode"
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "tokens.IDToken"
OAUTH2_PROVIDER_DEVICE_GRANT_MODEL = "tokens.DeviceGrant"
OAUTH2_PROVIDER = {
    "OAUTH2_SERVER_CLASS": "tokens.server.Server",
    "OAUTH2_VALIDATOR_CLASS": "tokens.validator.Validator",
    "SCOPES_BACKEND_CLASS": "tokens.scopes.ScopesBackend",
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": PUBLIC_URL,
    "PKCE_REQUIRED": True,
    # What these ask for is done by our own grants, endpoints and tables, and held by their tests;
    # here it is said to `manage.py check --deploy`.
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "APPLICATION_ADMIN_CLASS": "clients_admin.admin.clients.ClientAdmin",
    "ACCESS_TOKEN_ADMIN_CLASS": "tokens.admin.AccessTokenAdmin",
    "REFRESH_TOKEN_ADMIN_CLASS": "tokens.admin.RefreshTokenAdmin",
    "GRANT_ADMIN_CLASS": "tokens.admin.AuthorizationCodeAdmin",
    "ID_TOKEN_ADMIN_CLASS": "tokens.admin.IDTokenAdmin",
}

# --- Logs: never a value that came with a request ------------------------------------------------

# What libraries warn of would stand between the objects otherwise.
logging.captureWarnings(env.log_format == "json")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"text": {"()": "idp.logs.TextLine"}, "json": {"()": "idp.logs.JSONLine"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": env.log_format,
            "stream": console() if env.log_format == "json" else "ext://sys.stderr",
        }
    },
    "root": {"handlers": ["console"], "level": env.log_level.upper()},
    "loggers": {
        # Whoever wants audit events in the log wants them at every IDP_LOG_LEVEL.
        "idp.audit.journal": {"level": "INFO"},
        # psycopg gives itself a level, which would hide ours; its pool tells of every connection.
        "psycopg": {"level": "ERROR" if env.log_level == "error" else "WARNING"},
        # A refused request is an answer, not a fault; what matters of it is counted and audited.
        "django.request": {"level": "ERROR"},
        # Its warnings repeat headers of the request.
        "django.security.csrf": {"level": "ERROR"},
        # oauthlib and the toolkit write tokens and codes at DEBUG.
        "oauthlib": {"level": "WARNING"},
        # It writes the ids of passkeys.
        "fido2": {"level": "WARNING"},
        "oauth2_provider": {"level": "WARNING"},
        # Apprise and what it sends with write the URLs of chats, which are secrets.
        "apprise": {"handlers": [], "level": "CRITICAL", "propagate": False},
        "urllib3": {"level": "INFO"},
    },
}
