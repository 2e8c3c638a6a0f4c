"""The pytest plugin, which pytest loads in every project where this package is installed.

So it imports nothing of Django, and nothing else of this package, until a test asks for its fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sessionkeeper.testing import SessionTestMixin


@pytest.fixture
def sessionkeeper() -> SessionTestMixin:
    """Helpers for tests with sessions. A test that uses them needs the database, as with ``django_db``."""
    from sessionkeeper.testing import SessionTestMixin

    return SessionTestMixin()
