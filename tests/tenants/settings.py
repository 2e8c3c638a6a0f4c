"""A project on django-tenants. Its layout says where its users and sessions are.

``own``: each tenant has both; ``shared``: all tenants have the same; ``mixed``: each has its own users, and
all have one table of sessions. The settings of each are in a module of that name. The database is
DATABASE_URL, which must be PostgreSQL.
"""

from __future__ import annotations

import os

import dj_database_url

SECRET_KEY = "tests-only"
USE_TZ = True
ALLOWED_HOSTS = [".example.test"]
ROOT_URLCONF = "tests.tenants.urls"
DATABASES = {
    "default": {
        **dj_database_url.parse(os.environ.get("DATABASE_URL") or "postgres:///tenants"),
        "ENGINE": "django_tenants.postgresql_backend",
        "CONN_MAX_AGE": 600,
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_MODEL = "customers.Customer"
TENANT_DOMAIN_MODEL = "customers.Domain"
_USERS = ["django.contrib.auth", "django.contrib.contenttypes"]
_SESSIONS = ["sessionkeeper"]
_SHARED = ["django_tenants", "tests.tenants.customers", "django.contrib.contenttypes"]


def applications(layout):
    """Return the settings of a layout."""
    tenants = {"own": [*_USERS, *_SESSIONS], "mixed": _USERS, "shared": []}[layout]
    shared = {"own": [], "mixed": _SESSIONS, "shared": [*_USERS, *_SESSIONS]}[layout]
    return {
        "LAYOUT": layout,
        "SHARED_APPS": [*_SHARED, *shared],
        "TENANT_APPS": [*tenants, "django.contrib.messages"],
        "INSTALLED_APPS": list(
            dict.fromkeys([*_SHARED, *shared, *tenants, "django.contrib.messages", "rest_framework"])
        ),
    }


MIDDLEWARE = [
    "tests.tenants.middleware.CachedTenants",
    "sessionkeeper.middleware.SessionMiddleware",
    "sessionkeeper.csrf.FetchMetadataMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessionkeeper.middleware.AuthenticationMiddleware",
]
AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
SESSION_ENGINE = "sessionkeeper.engine"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["sessionkeeper.api.SessionAuthentication"]}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
# Read by Django 6.1 and later; the test runner keeps the mail of older ones.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
