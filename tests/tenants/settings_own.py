"""Settings of the layout in which each tenant has users and sessions."""

from __future__ import annotations

from tests.tenants.settings import *  # noqa: F403
from tests.tenants.settings import applications

globals().update(applications("own"))
