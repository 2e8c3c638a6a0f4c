"""The demo's own settings, with a quick password hash and more host names: for tests in a browser."""

from __future__ import annotations

from demo.settings import *  # noqa: F403

ALLOWED_HOSTS = [*ALLOWED_HOSTS, ".localhost", ".test"]  # noqa: F405
# Without the keys that dj_database_url adds and no person writes.
WRITTEN = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
DATABASES = {"default": {key: DATABASES["default"][key] for key in WRITTEN if key in DATABASES["default"]}}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
