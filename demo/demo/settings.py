"""Settings of the demo site: what `django-admin startproject` writes, and the lines for sessionkeeper.

These are for trying things on your own machine. `production.py` has what a site on the internet adds.
"""

import os
from pathlib import Path

import dj_database_url

BASE_DIR = Path(__file__).resolve().parent.parent

# In the open, because the demo has nothing to hide. production.py takes it from the environment.
SECRET_KEY = "django-insecure-demo-only-never-use-this-key-for-a-real-site"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "demo",
    "notes",
    "sessionkeeper",  # before django.contrib.sessions, so that `clearsessions` is ours
    "rest_framework",
    "drf_spectacular",  # /api/schema/
    "knox",  # only for demo/other_tokens.py
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "sessionkeeper.middleware.SessionMiddleware",  # in place of Django's
    "django.middleware.common.CommonMiddleware",
    "sessionkeeper.csrf.FetchMetadataMiddleware",  # the site's own pages need no token
    "django.middleware.csrf.CsrfViewMiddleware",  # everybody else does
    "sessionkeeper.middleware.AuthenticationMiddleware",  # in place of Django's
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "demo.urls"
WSGI_APPLICATION = "demo.wsgi.application"
ASGI_APPLICATION = "demo.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Sessions

AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]  # counts guesses
SESSION_ENGINE = "sessionkeeper.engine"
CSRF_FAILURE_VIEW = "sessionkeeper.csrf.failure"  # says what is missing and how to send it
SESSIONKEEPER = {}
if os.environ.get("SESSIONKEEPER_STORE"):
    SESSIONKEEPER["STORE"] = os.environ["SESSIONKEEPER_STORE"]
if os.environ.get("DEMO_IDLE_SECONDS"):  # to see /javascript/ warn of the end
    SESSIONKEEPER["IDLE_TIMEOUT"] = int(os.environ["DEMO_IDLE_SECONDS"])

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "sessionkeeper.api.SessionAuthentication",
        "sessionkeeper.api.TokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
REST_FRAMEWORK["DEFAULT_SCHEMA_CLASS"] = "drf_spectacular.openapi.AutoSchema"
SPECTACULAR_SETTINGS = {
    "TITLE": "The demo of sessionkeeper",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_AUTHENTICATION": [],  # open to all
    "PREPROCESSING_HOOKS": ["demo.schema.only_api"],
    "SERVE_INCLUDE_SCHEMA": False,
}

LOGIN_URL = "login"  # the tutorial's own view; sessionkeeper's page is auth/login/
SILENCED_SYSTEM_CHECKS = ["sessionkeeper.I005"]  # ... which is why there are two
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

# Database: SQLite, or what DATABASE_URL says. Connections are kept, because opening one for every request
# costs more than everything that a session does.

DATABASES = {
    "default": dj_database_url.config(
        default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}", conn_max_age=600, conn_health_checks=True
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,  # seconds to wait for another writer
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",  # the first one makes new hashes
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
