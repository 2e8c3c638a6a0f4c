"""Settings of the site that the client is tested against."""

from __future__ import annotations

SECRET_KEY = "tests-only"
ROOT_URLCONF = "client_site"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "sessionkeeper"]
MIDDLEWARE = [
    "sessionkeeper.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "sessionkeeper.middleware.AuthenticationMiddleware",
]
SESSION_ENGINE = "sessionkeeper.engine"
USE_TZ = True
STATIC_URL = "static/"
# Read by Django 6.1 and later; the test runner keeps the mail of older ones.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["sessionkeeper.api.SessionAuthentication"]}
