"""Django's session tests with the sessions in a Valkey or Redis."""

from __future__ import annotations

from tests.settings_redis import SESSIONKEEPER, STORE_OF_THE_SUITE
from tests.upstream.settings import *  # noqa: F403

__all__ = ["SESSIONKEEPER", "STORE_OF_THE_SUITE"]
