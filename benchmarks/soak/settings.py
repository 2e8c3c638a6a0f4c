"""Settings of the site that is soaked: ``DATABASE_URL`` and ``SOAK_STORE`` say where things are kept."""

from __future__ import annotations

import os

import django

from tools import databases

# Under ASGI each request has a thread of its own, and a connection that is kept would be one for each.
_keep = 0 if os.environ.get("SOAK_ASGI") else None
_database = {**databases.plain(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": _keep}
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
    }
else:
    _database["OPTIONS"] = {"connect_timeout": 1, "options": "-c lock_timeout=1000"}

SECRET_KEY = "soak-only-and-longer-than-thirty-two-bytes"
DEBUG = False
USE_TZ = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.soak.site"
WSGI_APPLICATION = "benchmarks.soak.wsgi.application"
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "sessionkeeper",
]
MIDDLEWARE = [
    "sessionkeeper.middleware.SessionMiddleware",
    "sessionkeeper.csrf.FetchMetadataMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessionkeeper.middleware.AuthenticationMiddleware",
]
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["sessionkeeper.api.SessionAuthentication"]}
AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
SESSION_ENGINE = "sessionkeeper.engine"
SESSIONKEEPER = {"NOTICES": False}
if os.environ.get("SOAK_STORE"):
    SESSIONKEEPER["STORE"] = os.environ["SOAK_STORE"]
if os.environ.get("SOAK_NEAR_CACHE"):
    SESSIONKEEPER["NEAR_CACHE"] = True
# The cheapest hasher: sessions are soaked, not passwords.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
_nowhere = "django.core.mail.backends.dummy.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": _nowhere}}
else:
    EMAIL_BACKEND = _nowhere
LOGGING_CONFIG = None
