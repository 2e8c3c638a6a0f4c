"""Settings of the test suite. The database is DATABASE_URL, SQLite when it is not set."""

from __future__ import annotations

import os

from tools import databases

SECRET_KEY = "tests-only"
USE_TZ = True
ROOT_URLCONF = "tests.urls"
DATABASES = {"default": databases.plain(os.environ.get("DATABASE_URL", ""))}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "sessionkeeper",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "sessionkeeper.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "sessionkeeper.csrf.FetchMetadataMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessionkeeper.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
SESSION_ENGINE = "sessionkeeper.engine"
STATIC_URL = "static/"
# Read by Django 6.1 and later; the test runner keeps the mail of older ones.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["sessionkeeper.api.SessionAuthentication"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {"OAS_VERSION": "3.1.0"}
