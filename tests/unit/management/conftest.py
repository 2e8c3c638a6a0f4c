"""Where a file of sessions goes."""

from __future__ import annotations

import pytest


@pytest.fixture
def path(tmp_path):
    """Where a test writes its file."""
    return tmp_path / "sessions.jsonl"
