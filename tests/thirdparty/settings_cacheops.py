"""The same project with django-cacheops, which changes Django's ORM for good: for a process of its own."""

from __future__ import annotations

import json
import os

from tests.thirdparty.settings import *  # noqa: F403 - a variation of it
from tests.thirdparty.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = ["cacheops", *_APPS]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CACHEOPS_REDIS = os.environ["CACHEOPS_REDIS"]
CACHEOPS = json.loads(os.environ["CACHEOPS"])
