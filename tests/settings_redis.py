"""The suite's settings with the sessions in a Valkey or Redis, which ``SESSIONKEEPER_TEST_REDIS`` names."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tools.valkey import VARIABLE, with_options

#: Also where a test sets SESSIONKEEPER to something without a STORE.
STORE_OF_THE_SUITE = with_options(os.environ[VARIABLE], prefix="suite:")
SESSIONKEEPER = {"STORE": STORE_OF_THE_SUITE}
