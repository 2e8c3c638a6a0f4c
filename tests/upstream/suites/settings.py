"""Settings of a run of Django's own suites: what its ``test_sqlite.py`` says, with our engine.

Applications and middleware are set by ``runtests.py``, to which :mod:`tests.upstream.suites.run` adds ours.
"""

from __future__ import annotations

from tests.settings import DATABASES as _DATABASES

# Two databases, as Django's tests want them, both on the server that the suite is given.
_default = _DATABASES["default"]
DATABASES = {
    "default": {**_default, "TEST": {"NAME": None}},
    "other": {**_default, "TEST": {"NAME": None}},
}
if "sqlite" not in _default["ENGINE"]:
    DATABASES["default"]["TEST"] = {"NAME": "django_suites"}
    DATABASES["other"]["TEST"] = {"NAME": "django_suites_other"}
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False

SESSION_ENGINE = "sessionkeeper.engine"
SILENCED_SYSTEM_CHECKS = ["sessionkeeper.W070"]
LOGGING_CONFIG = None
TEST_RUNNER = "tests.upstream.suites.run.Recording"
