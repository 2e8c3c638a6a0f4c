"""Django settings of one worker: ``BENCH_CONFIGURATION`` names what it measures, ``DATABASE_URL`` where."""

from __future__ import annotations

import os

import django

from benchmarks.configurations import BY_NAME, COMMON
from tools import databases
from tools.valkey import with_options

_configuration = BY_NAME[os.environ["BENCH_CONFIGURATION"]]
_database = {**databases.plain(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": None}
_options = _database.setdefault("OPTIONS", {})
if _database["ENGINE"].endswith("sqlite3"):
    _options |= {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
    }
else:
    _options |= {"application_name": _configuration.name, **_configuration.options}
_pool = os.environ.get("BENCH_ASGI")
if _pool is not None:
    # Under ASGI each request has a new thread: a connection of its own would never be used again.
    _database["CONN_MAX_AGE"] = 0
    if int(_pool) and not _database["ENGINE"].endswith("sqlite3"):
        _options["pool"] = {"min_size": int(_pool), "max_size": int(_pool)}

SECRET_KEY = "benchmark-only-and-longer-than-the-thirty-two-bytes-that-jwt-asks-for"
DEBUG = False
USE_TZ = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.site.urls"
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# One schema for all, so that every configuration runs on the same database.
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework.authtoken",
    "knox",
    "sessionkeeper",
]
MIDDLEWARE = [*COMMON, *_configuration.middleware]
_redis = os.environ.get("BENCH_REDIS")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _redis}
    if _redis
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
# The cheapest hasher: a login is measured without the time that a password hash is meant to take.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [_configuration.authentication]
    if _configuration.authentication
    else [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
# A login on a new device sends a mail, which goes nowhere.
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
_nowhere = "django.core.mail.backends.dummy.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _nowhere}}
else:
    EMAIL_BACKEND = _nowhere
LOGGING_CONFIG = None

globals().update(_configuration.settings)
if _configuration.on_valkey:
    # Another database of the server that the caches of the stock engines are in. How long an answer may take
    # costs nothing; a measurement does not end where a machine is held up. Under ASGI the defaults count.
    _place = f"{_redis.removesuffix('/0')}/1"
    _store = with_options(_place) if _pool is None else _place
    SESSIONKEEPER = {**_configuration.settings["SESSIONKEEPER"], "STORE": _store}
