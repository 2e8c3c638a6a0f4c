"""Settings of the layout in which each tenant has users, and all have one table of sessions."""

from __future__ import annotations

from tests.tenants.settings import *  # noqa: F403
from tests.tenants.settings import applications

globals().update(applications("mixed"))
