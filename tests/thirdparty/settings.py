"""A project of other people's packages on the engine: what a site that only sets ``SESSION_ENGINE`` has.

The middleware is Django's own; tests run once with it and once with ours in its place. The main suite has
``django.contrib.sessions`` installed, this one has not: the engine works both ways. The database is
DATABASE_URL, SQLite when it is not set.
"""

from __future__ import annotations

import os
from pathlib import Path

from tools import databases


class NoMigrations:
    """Makes tables straight from the models: other people's migrations take most of a minute."""

    def __contains__(self, label):
        return True

    def __getitem__(self, label):
        return None


SECRET_KEY = "tests-only"
USE_TZ = True
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.thirdparty.urls"
DATABASES = {"default": databases.plain(os.environ.get("DATABASE_URL", ""))}
MIGRATION_MODULES = NoMigrations()
SESSION_ENGINE = "sessionkeeper.engine"
INSTALLED_APPS = [
    "sessionkeeper",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.apple",
    "allauth.socialaccount.providers.dummy",
    "allauth.usersessions",
    "allauth.headless",
    "auditlog",
    "django_otp",
    "django_otp.plugins.otp_static",
    "wagtail.users",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
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
STATIC_URL = "static/"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/whoami/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Read by Django 6.1 and later; the test runner keeps the mail of older ones.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
AUDITLOG_INCLUDE_ALL_MODELS = True
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_RATE_LIMITS = False
HEADLESS_CLIENTS = ("app", "browser")
WAGTAIL_SITE_NAME = "Tests"
WAGTAILADMIN_BASE_URL = "http://testserver"
WAGTAIL_ENABLE_UPDATE_CHECK = False
