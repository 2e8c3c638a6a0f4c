"""The suite's settings with a user model whose key is a UUID."""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.uuid_user"]
AUTH_USER_MODEL = "uuid_user.Person"
