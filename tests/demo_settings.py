"""The demo's own settings, with a quick password hash: for tests that sign in often."""

from __future__ import annotations

from demo.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
