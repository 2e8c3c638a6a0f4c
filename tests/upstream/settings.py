"""The suite's settings with Django's ``sessions_tests`` as an application, from its source distribution."""

from __future__ import annotations

import os
import sys

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS
from tests.upstream import source

# Last on the path: the folder holds a hundred packages with everyday names.
sys.path.append(os.environ.get("DJANGO_UPSTREAM_TESTS") or str(source.tests_folder()))

INSTALLED_APPS = [*INSTALLED_APPS, "sessions_tests"]
