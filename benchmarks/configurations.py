"""What is compared: each way to authenticate a request, as settings and a credential."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SESSION = "rest_framework.authentication.SessionAuthentication"
TOKEN = "rest_framework.authentication.TokenAuthentication"  # a class path
COMMON = ("django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware")
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
STOCK_MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    CSRF,
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
#: As the tutorial has it: the engine, and the backend that counts attempts.
OUR_SETTINGS = {
    "SESSION_ENGINE": "sessionkeeper.engine",
    "AUTHENTICATION_BACKENDS": ["sessionkeeper.backends.ModelBackend"],
}
OUR_MIDDLEWARE = (
    "sessionkeeper.middleware.SessionMiddleware",
    CSRF,
    "sessionkeeper.middleware.AuthenticationMiddleware",
)


@dataclass(frozen=True)
class Configuration:
    """One way to authenticate.

    Attributes:
        name: as in the JSON file.
        says: as in the table.
        authentication: the DRF authentication class; "" for the floor.
        credential: how the client proves itself: a name in ``benchmarks.credentials``.
        middleware: what it needs beyond what all have.
        settings: further settings.
        options: added to the ``OPTIONS`` of the PostgreSQL database.
        needs: "" or the database vendor that it is measured on.
        on_valkey: whether its sessions are in the Valkey or Redis of the run.
    """

    name: str
    says: str
    authentication: str = SESSION
    credential: str = "session"
    middleware: tuple[str, ...] = STOCK_MIDDLEWARE
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    needs: str = ""
    on_valkey: bool = False


def _engine(name: str) -> dict[str, Any]:
    return {"SESSION_ENGINE": f"django.contrib.sessions.backends.{name}"}


FLOOR = "floor"
STOCK = "stock-db"
OURS = "ours"
OURS_ENGINE_ONLY = "ours-engine"
OURS_BARE = "ours-bare"
NEAR = "ours-near"
CACHED_DB = "stock-cached-db"
VALKEY = "ours-valkey"


def _on_valkey(name: str, says: str, **options: Any) -> Configuration:
    return Configuration(
        name,
        f"sessionkeeper, {{cache}}{says}",
        "sessionkeeper.api.SessionAuthentication",
        middleware=OUR_MIDDLEWARE,
        settings={**OUR_SETTINGS, "SESSIONKEEPER": options},
        on_valkey=True,
    )


CONFIGURATIONS = (
    Configuration(FLOOR, "no authentication (the floor)", "", "none", ()),
    Configuration(STOCK, "Django db", settings=_engine("db")),
    Configuration(CACHED_DB, "Django cached_db ({cache})", settings=_engine("cached_db")),
    Configuration("stock-cache", "Django cache ({cache})", settings=_engine("cache")),
    Configuration("stock-signed-cookies", "Django signed_cookies", settings=_engine("signed_cookies")),
    Configuration("drf-token", "DRF token", TOKEN, "drf_token", ()),
    Configuration("knox", "knox", "knox.auth.TokenAuthentication", "knox", ()),
    Configuration(
        "simplejwt",
        "simplejwt, user looked up",
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "jwt",
        (),
    ),
    Configuration(
        "simplejwt-stateless",
        "simplejwt, stateless (cannot be revoked)",
        "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
        "jwt",
        (),
    ),
    Configuration(
        OURS_ENGINE_ONLY,
        "sessionkeeper, engine alone",
        settings={"SESSION_ENGINE": "sessionkeeper.engine"},
    ),
    Configuration(
        OURS,
        "sessionkeeper",
        "sessionkeeper.api.SessionAuthentication",
        middleware=OUR_MIDDLEWARE,
        settings=OUR_SETTINGS,
    ),
    Configuration(
        "ours-prepared",
        "sessionkeeper, prepared by the driver",
        "sessionkeeper.api.SessionAuthentication",
        middleware=OUR_MIDDLEWARE,
        settings=OUR_SETTINGS,
        options={"server_side_binding": True, "prepare_threshold": 5},
        needs="postgresql",
    ),
    Configuration(
        NEAR,
        "sessionkeeper, near cache",
        "sessionkeeper.api.SessionAuthentication",
        middleware=OUR_MIDDLEWARE,
        settings={**OUR_SETTINGS, "SESSIONKEEPER": {"NEAR_CACHE": True}},
        needs="postgresql",
    ),
    Configuration(
        OURS_BARE,
        "sessionkeeper, no lockout, no audit",
        "sessionkeeper.api.SessionAuthentication",
        middleware=OUR_MIDDLEWARE,
        settings={**OUR_SETTINGS, "SESSIONKEEPER": {"LOCKOUT": False, "AUDIT": False}},
    ),
    _on_valkey(VALKEY, ""),
    _on_valkey("ours-valkey-principal", ", principal cache", PRINCIPAL_CACHE=60),
    _on_valkey("ours-valkey-near", ", near cache", NEAR_CACHE=True),
)

BY_NAME = {one.name: one for one in CONFIGURATIONS}
