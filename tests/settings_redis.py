"""The suite's settings with the sessions in a Valkey or Redis, which ``SESSIONKEEPER_TEST_REDIS`` names."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tools.valkey import VARIABLE

#: Patient with a busy machine. Also where a test sets SESSIONKEEPER to something without a STORE.
STORE_OF_THE_SUITE = f"{os.environ[VARIABLE]}?prefix=suite:&timeout=20&connect_timeout=20"
SESSIONKEEPER = {"STORE": STORE_OF_THE_SUITE}
